//! May a request leave for this address? `allowed` and `check_url` decide; pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Why no packet leaves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Neither public nor in an allowed network.
    #[error("address {0} is not public; `allow_networks` can open its network")]
    Private(IpAddr),
    /// Link-local or a cloud's metadata service.
    #[error("address {0} is link-local or a metadata service; only its exact address in `allow_networks` opens it")]
    Sensitive(IpAddr),
    /// Never the address of one host.
    #[error("address {0} cannot be one host's")]
    NoHostAddress(IpAddr),
    /// Not one of the allowed ports.
    #[error("port {0} is not in `allow_ports`")]
    Port(u16),
    /// Plain `http` where it is not allowed, or no web address at all.
    #[error("scheme \"{0}\" is not allowed; use https, or open http with `allow_http`")]
    Scheme(String),
    /// Nothing to connect to.
    #[error("the URI names no host and port")]
    NoHost,
}

/// What the deployment and one client allow together.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Networks besides public addresses.
    pub networks: &'a [IpNet],
    /// Ports; empty: all.
    pub ports: &'a [u16],
    /// Whether plain `http` is allowed.
    pub http: bool,
}

/// Whether a request may leave for this URI. Names are judged later, when they are resolved; IP
/// literals here, because no resolver is ever asked about them.
pub fn check_url(uri: &Url, rules: &Rules<'_>) -> Result<(), Blocked> {
    match uri.scheme() {
        "https" => {}
        "http" if rules.http => {}
        other => return Err(Blocked::Scheme(other.to_owned())),
    }
    let port = uri.port_or_known_default().ok_or(Blocked::NoHost)?;
    if !rules.ports.is_empty() && !rules.ports.contains(&port) {
        return Err(Blocked::Port(port));
    }
    match uri.host() {
        Some(Host::Ipv4(ip)) => allowed(ip.into(), rules.networks),
        Some(Host::Ipv6(ip)) => allowed(ip.into(), rules.networks),
        Some(Host::Domain(name)) if !name.is_empty() => Ok(()),
        _ => Err(Blocked::NoHost),
    }
}

/// Whether a connection may be made to this address.
pub fn allowed(ip: IpAddr, networks: &[IpNet]) -> Result<(), Blocked> {
    let ip = unwrapped(ip);
    if never_a_host(ip) {
        return Err(Blocked::NoHostAddress(ip));
    }
    if sensitive(ip) || carried(ip).into_iter().flatten().any(sensitive) {
        let named = networks.iter().any(|net| net.prefix_len() == net.max_prefix_len() && net.addr() == ip);
        return if named { Ok(()) } else { Err(Blocked::Sensitive(ip)) };
    }
    if networks.iter().any(|net| net.contains(&ip)) || public(ip) {
        return Ok(());
    }
    Err(Blocked::Private(ip))
}

/// The IPv4 address that an IPv6 address stands for: the packet goes there.
fn unwrapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let low = |from: usize| {
        let o = v6.octets();
        IpAddr::V4(Ipv4Addr::new(o[from], o[from + 1], o[from + 2], o[from + 3]))
    };
    match v6.segments() {
        // Mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96) and NAT64 (64:ff9b::/96).
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => low(12),
        // 6to4 (2002::/16).
        [0x2002, ..] => low(2),
        // Compatible (::/96), long deprecated, but for :: and ::1.
        [0, 0, 0, 0, 0, 0, high, rest] if high != 0 || rest > 1 => low(12),
        _ => ip,
    }
}

/// What a translator of the operator's own may make of an IPv6 address that has to be opened by
/// itself: local NAT64 (`64:ff9b:1::/48`) in each of its layouts, and Teredo (`2001::/32`).
fn carried(ip: IpAddr) -> [Option<IpAddr>; 4] {
    const LAYOUTS: [[usize; 4]; 4] = [[12, 13, 14, 15], [6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]];
    let IpAddr::V6(v6) = ip else { return [None; 4] };
    let octets = v6.octets();
    match v6.segments() {
        [0x64, 0xff9b, 1, ..] => LAYOUTS.map(|at| Some(Ipv4Addr::from(at.map(|at| octets[at])).into())),
        [0x2001, 0, ..] => {
            let client = [12, 13, 14, 15].map(|at: usize| !octets[at]);
            [Some(Ipv4Addr::from(client).into()), None, None, None]
        }
        _ => [None; 4],
    }
}

fn sensitive(ip: IpAddr) -> bool {
    in_any(SENSITIVE_V4, SENSITIVE_V6, ip)
}

fn never_a_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_broadcast() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    }
}

fn public(ip: IpAddr) -> bool {
    let global = match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => GLOBAL_UNICAST.contains(&v6),
    };
    global && !in_any(SPECIAL_V4, SPECIAL_V6, ip)
}

fn in_any(v4: &[Ipv4Net], v6: &[Ipv6Net], ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => v4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => v6.iter().any(|net| net.contains(&ip)),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(s0, s1, s2, s3, s4, s5, s6, s7), prefix)
}

/// Link-local, and the metadata services of the large clouds wherever they live.
const SENSITIVE_V4: &[Ipv4Net] =
    &[v4(169, 254, 0, 0, 16), v4(100, 100, 100, 200, 32), v4(168, 63, 129, 16, 32), v4(192, 0, 0, 192, 32)];
const SENSITIVE_V6: &[Ipv6Net] = &[
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
];

/// IPv4 that is not public (the IANA special-purpose registry).
const SPECIAL_V4: &[Ipv4Net] = &[
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(240, 0, 0, 0, 4),
];

/// Outside of this no IPv6 address is public: unique-local, site-local, local NAT64, …
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// IPv6 within global unicast that is not public: protocol assignments (Teredo, benchmarks,
/// ORCHID) and documentation.
const SPECIAL_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn by_default_only_public_addresses_are_allowed() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "168.63.129.15",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ];
        for ip in public {
            assert_eq!(allowed(ip.parse().unwrap(), &[]), Ok(()), "{ip}");
        }
    }

    #[test]
    fn private_and_special_addresses_need_their_network() {
        let table = [
            ("10.0.0.0", "10.0.0.0/8"),
            ("10.255.255.255", "10.0.0.0/8"),
            ("100.64.0.0", "100.64.0.0/10"),
            ("100.127.255.255", "100.64.0.0/10"),
            ("127.0.0.1", "127.0.0.0/8"),
            ("127.255.255.255", "127.0.0.0/8"),
            ("172.16.0.0", "172.16.0.0/12"),
            ("172.31.255.255", "172.16.0.0/12"),
            ("192.0.0.1", "192.0.0.0/24"),
            ("192.0.2.1", "192.0.2.0/24"),
            ("192.88.99.1", "192.88.99.0/24"),
            ("192.168.0.0", "192.168.0.0/16"),
            ("192.168.255.255", "192.168.0.0/16"),
            ("198.18.0.0", "198.18.0.0/15"),
            ("198.19.255.255", "198.18.0.0/15"),
            ("198.51.100.7", "198.51.100.0/24"),
            ("203.0.113.7", "203.0.113.0/24"),
            ("240.0.0.1", "240.0.0.0/4"),
            ("255.255.255.254", "240.0.0.0/4"),
            ("::1", "::1/128"),
            ("fc00::1", "fc00::/7"),
            ("fdff::1", "fc00::/7"),
            ("fec0::1", "fec0::/10"),
            ("100::1", "100::/64"),
            ("64:ff9b:1::1", "64:ff9b:1::/48"),
            ("2001::1", "2001::/32"),
            ("2001:2::1", "2001:2::/48"),
            ("2001:10::1", "2001:10::/28"),
            ("2001:db8::1", "2001:db8::/32"),
            ("3fff::1", "3fff::/20"),
            ("4000::1", "4000::/3"),
            ("5f00::1", "5f00::/16"),
            // Written as IPv6, judged and opened as IPv4.
            ("::ffff:10.0.0.1", "10.0.0.0/8"),
            ("::ffff:127.0.0.1", "127.0.0.0/8"),
            ("::ffff:0:10.0.0.1", "10.0.0.0/8"),
            ("64:ff9b::10.0.0.1", "10.0.0.0/8"),
            ("64:ff9b::7f00:1", "127.0.0.0/8"),
            ("2002:a00:1::", "10.0.0.0/8"),
            ("2002:7f00:1::5", "127.0.0.0/8"),
            ("::10.0.0.1", "10.0.0.0/8"),
            ("::7f00:1", "127.0.0.0/8"),
        ];
        for (ip, net) in table {
            let ip: IpAddr = ip.parse().unwrap();
            assert!(matches!(allowed(ip, &[]), Err(Blocked::Private(_))), "{ip}");
            assert!(allowed(ip, &nets(&["8.0.0.0/8", "2a00::/16"])).is_err(), "{ip} by another network");
            assert_eq!(allowed(ip, &nets(&["8.0.0.0/8", net])), Ok(()), "{ip} by {net}");
        }
    }

    #[test]
    fn link_local_and_metadata_open_only_to_their_exact_address() {
        let table = [
            ("169.254.169.254", "169.254.169.254/32"),
            ("169.254.0.1", "169.254.0.1/32"),
            ("fe80::1", "fe80::1/128"),
            ("febf::1", "febf::1/128"),
            ("fd00:ec2::254", "fd00:ec2::254/128"),
            ("fd20:ce::254", "fd20:ce::254/128"),
            ("100.100.100.200", "100.100.100.200/32"),
            ("168.63.129.16", "168.63.129.16/32"),
            ("192.0.0.192", "192.0.0.192/32"),
            ("::ffff:169.254.169.254", "169.254.169.254/32"),
            ("64:ff9b::a9fe:a9fe", "169.254.169.254/32"),
            ("2002:a9fe:a9fe::1", "169.254.169.254/32"),
            ("64:ff9b:1::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe/128"),
            ("64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9fe:a9:fe00::/128"),
            ("2001:0:808:808::5601:5601", "2001:0:808:808::5601:5601/128"),
        ];
        let wide = nets(&["0.0.0.0/0", "::/0", "169.254.0.0/16", "169.254.169.254/31", "fe80::/10", "fc00::/7"]);
        for (ip, exact) in table {
            let ip: IpAddr = ip.parse().unwrap();
            assert!(matches!(allowed(ip, &[]), Err(Blocked::Sensitive(_))), "{ip}");
            assert!(matches!(allowed(ip, &wide), Err(Blocked::Sensitive(_))), "{ip} by wide networks");
            assert_eq!(allowed(ip, &nets(&[exact])), Ok(()), "{ip} by {exact}");
        }
    }

    #[test]
    fn what_is_no_host_is_never_allowed() {
        let wide = nets(&["0.0.0.0/0", "::/0", "0.0.0.0/32", "::/128", "255.255.255.255/32"]);
        for ip in ["0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "239.1.1.1", "::", "ff02::1", "::ffff:0.0.0.0"]
        {
            assert!(matches!(allowed(ip.parse().unwrap(), &wide), Err(Blocked::NoHostAddress(_))), "{ip}");
        }
    }

    #[test]
    fn a_uri_is_judged_as_it_will_be_used() {
        type Row<'a> = (&'a str, &'a [IpNet], &'a [u16], bool, bool);
        let loopback = nets(&["127.0.0.0/8"]);
        let none: &[IpNet] = &[];
        let table: [Row<'_>; 19] = [
            ("https://rp.example/", none, &[], false, true),
            ("http://rp.example/", none, &[], false, false),
            ("http://rp.example/", none, &[], true, true),
            ("ftp://rp.example/", none, &[], true, false),
            ("file:///etc/passwd", none, &[], true, false),
            ("https://rp.example/", none, &[443], false, true),
            ("https://rp.example:8443/", none, &[443], false, false),
            ("http://rp.example/", none, &[443], true, false),
            ("https://8.8.8.8/", none, &[], false, true),
            ("https://127.0.0.1/", none, &[], false, false),
            ("https://127.0.0.1/", &loopback, &[], false, true),
            ("https://0x7f.1/", none, &[], false, false),
            ("https://2130706433/", none, &[], false, false),
            ("https://127.0.0.1./", none, &[], false, false),
            ("https://017700000001/", none, &[], false, false),
            ("https://[::1]/", none, &[], false, false),
            ("https://[::ffff:127.0.0.1]/", none, &[], false, false),
            ("https://[::ffff:127.0.0.1]/", &loopback, &[], false, true),
            ("https://１２７.0.0.1/", none, &[], false, false),
        ];
        for (uri, networks, ports, http, expected) in table {
            let rules = Rules { networks, ports, http };
            assert_eq!(check_url(&uri.parse().unwrap(), &rules).is_ok(), expected, "{uri} {rules:?}");
        }
    }
}
