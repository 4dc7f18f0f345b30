//! Addresses: in whatever form one is written, it is judged as the address it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::select;
use signoff::deliver::guard::{Rules, allowed, check_url};
use signoff::model::registration::parse_logout_uri;
use url::Url;

use super::cases;

/// First and last address of what is not public, from the IANA registries, beside our own tables.
const SHUT: [(u32, u32); 18] = [
    (0x0000_0000, 0x00ff_ffff), // this network
    (0x0a00_0000, 0x0aff_ffff), // private
    (0x6440_0000, 0x647f_ffff), // shared, behind carriers' NAT
    (0x7f00_0000, 0x7fff_ffff), // loopback
    (0xa83f_8110, 0xa83f_8110), // a cloud's metadata
    (0xa9fe_0000, 0xa9fe_ffff), // link-local
    (0xac10_0000, 0xac1f_ffff), // private
    (0xc000_0000, 0xc000_00ff), // protocol assignments
    (0xc000_0200, 0xc000_02ff), // documentation
    (0xc058_6300, 0xc058_63ff), // 6to4 relays
    (0xc0a8_0000, 0xc0a8_ffff), // private
    (0xc612_0000, 0xc613_ffff), // benchmarks
    (0xc633_6400, 0xc633_64ff), // documentation
    (0xcb00_7100, 0xcb00_71ff), // documentation
    (0xe000_0000, 0xefff_ffff), // multicast
    (0xf000_0000, 0xfeff_ffff), // reserved
    (0xff00_0000, 0xffff_fffe), // reserved
    (0xffff_ffff, 0xffff_ffff), // broadcast
];

fn public(ip: u32) -> bool {
    !SHUT.iter().any(|(first, last)| (*first..=*last).contains(&ip))
}

/// Any address, the edges and the insides of what is shut more often than chance has it.
fn v4() -> impl Strategy<Value = u32> {
    let edge = (select(SHUT.to_vec()), 0_u8..4).prop_map(|((first, last), which)| match which {
        0 => first,
        1 => last,
        2 => first.wrapping_sub(1),
        _ => last.wrapping_add(1),
    });
    let inside = (select(SHUT.to_vec()), any::<u32>())
        .prop_map(|((first, last), at)| first + at % (last - first).saturating_add(1));
    prop_oneof![any::<u32>(), edge, inside]
}

/// The IPv6 addresses by which a packet for this address leaves.
fn wrapped(v4: u32, rest: u64) -> Vec<Ipv6Addr> {
    let (low, rest) = (u128::from(v4), u128::from(rest));
    let mut forms = vec![
        (0xffff << 32) | low,                      // mapped
        (0xffff_u128 << 48) | low,                 // translated
        (0x0064_ff9b_u128 << 96) | low,            // NAT64
        (0x2002_u128 << 112) | (low << 80) | rest, // 6to4
    ];
    if v4 > 1 {
        forms.push(low); // compatible; :: and ::1 are themselves
    }
    forms.into_iter().map(Ipv6Addr::from).collect()
}

/// The ways in which browsers and this service read a dotted address in a URL.
fn notations(v4: u32) -> Vec<String> {
    let [a, b, c, d] = v4.to_be_bytes();
    let wide: String = format!("{a}.{b}.{c}.{d}")
        .chars()
        .map(|c| match c {
            '0'..='9' => char::from_u32(c as u32 - '0' as u32 + 0xff10).expect("a digit"),
            _ => '\u{ff0e}',
        })
        .collect();
    let mut notations = vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{v4}"),
        format!("0x{v4:x}"),
        format!("0X{v4:08X}"),
        format!("0{v4:o}"),
        format!("{a}.{}", v4 & 0x00ff_ffff),
        format!("{a}.{b}.{}", v4 & 0xffff),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:x}.{b}.0{c:o}.0x{d:x}"),
        wide,
    ];
    // A leading zero would make octal of it.
    if a >= 100 {
        notations.push(format!("%{:02x}{:02}.{b}.{c}.{d}", b'0' + a / 100, a % 100));
    }
    notations
}

fn opens(host: &str) -> Result<bool, String> {
    let uri = Url::parse(&format!("https://{host}/")).map_err(|error| error.to_string())?;
    Ok(check_url(&uri, &Rules { networks: &[], ports: &[], http: false }).is_ok())
}

proptest! {
    #![proptest_config(cases(2048))]

    #[test]
    fn an_ipv4_address_is_the_same_in_every_form(ip in v4(), rest in any::<u64>()) {
        let plain = IpAddr::from(Ipv4Addr::from(ip));
        prop_assert_eq!(allowed(plain, &[]).is_ok(), public(ip), "{}", plain);
        let exact: IpNet = IpNet::from(plain);
        let opened = allowed(plain, &[exact]);
        for form in wrapped(ip, rest) {
            prop_assert_eq!(allowed(form.into(), &[]), allowed(plain, &[]), "{} as {}", plain, form);
            prop_assert_eq!(allowed(form.into(), &[exact]), opened.clone(), "{} as {}, opened", plain, form);
        }
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_every_notation(ip in v4(), rest in any::<u64>()) {
        for host in notations(ip) {
            prop_assert_eq!(opens(&host), Ok(public(ip)), "{} for {}", host, Ipv4Addr::from(ip));
        }
        for form in wrapped(ip, rest) {
            prop_assert_eq!(opens(&format!("[{form}]")), Ok(public(ip)), "{}", form);
        }
    }

    #[test]
    fn an_ipv6_address_is_public_only_where_the_registry_says_so(high in any::<u64>(), low in any::<u64>(), global in any::<bool>()) {
        let high = if global { 0x2000_0000_0000_0000 | (high >> 3) } else { high };
        let ip = Ipv6Addr::from((u128::from(high) << 64) | u128::from(low));
        let known = matches!(ip.segments()[0], 0x2000..=0x3fff) || ip.segments()[0] <= 0x64;
        prop_assert!(allowed(ip.into(), &[]).is_err() || known, "{}", ip);
        // Nothing but its exact name opens what is link-local, in whatever it is carried.
        let carried = [
            format!("64:ff9b:1::{:x}:{:x}", 0xa9fe, low & 0xffff),
            format!("64:ff9b:1:a9fe:{:x}:{:x}::", (low >> 8) & 0xff, (low & 0xff) << 8),
            format!("2001:0:{:x}:1::5601:{:x}", low >> 48, !low & 0xffff),
        ];
        let everything: Vec<IpNet> = ["::/0", "0.0.0.0/0"].map(|net| net.parse().expect("a network")).into();
        for carried in carried {
            prop_assert!(allowed(carried.parse().expect("an address"), &everything).is_err(), "{}", carried);
        }
    }
}

#[test]
fn tricks_with_a_uri_lead_where_it_is_judged_to_lead_or_are_refused() {
    for uri in [
        "https://8.8.8.8@127.0.0.1/",
        "https://8.8.8.8:443@127.0.0.1/",
        "https://8.8.8.8%40127.0.0.1@127.0.0.1/",
        "https://127.0.0.1#@8.8.8.8/",
        "https://127.0.0.1?@8.8.8.8/",
        "https://127.0.0.1\\@8.8.8.8/",
        "https:127.0.0.1/",
        "https:\\\\127.0.0.1/",
        "https:////127.0.0.1/",
        "https://127.0.0.1:443/",
        "HTTPS://127.0.0.1/",
        "https://12\u{ad}7.0.0.1/",
        "https://127.0.0.1%2e/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::1%250]/",
        "https://127.0.0.1%00.rp.example/",
        "https://127.0.0.1%20/",
        "https://rp.example%2f@127.0.0.1/",
        "https://256.256.256.256/",
        "https://0x100000000/",
        "https://1.2.3.4.5/",
        "https://[::ffff:127.0.0.1.]/",
        "https://[127.0.0.1]/",
        "https:///",
        "https://",
    ] {
        let refused = parse_logout_uri(uri).is_err();
        let blocked =
            Url::parse(uri).is_ok_and(|uri| check_url(&uri, &Rules { networks: &[], ports: &[], http: true }).is_err());
        assert!(refused || blocked, "{uri}");
    }
}
