//! Which keys does the environment override? `SIGNOFF__SECTION__NAME__KEY`.

use toml::{Table, Value};

use super::mistake::Mistake;
use super::place::{KeyPath, Places, Variable};

const PREFIX: &str = "SIGNOFF__";

/// Puts every variable of ours into the table, in the order of their names.
pub(super) fn overlay(root: &mut Table, places: &mut Places, variables: &[(String, String)]) -> Vec<Mistake> {
    let mut ours: Vec<_> = variables.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    let set = ours.into_iter().map(|(name, raw)| {
        set(root, places, name, raw).map_err(|what| Mistake { place: name.clone(), key: String::new(), what })
    });
    set.filter_map(Result::err).collect()
}

fn set(root: &mut Table, places: &mut Places, name: &str, raw: &str) -> Result<(), String> {
    let variable = Variable { name: name.into(), raw: raw.into() };
    let segments: Vec<&str> = name[PREFIX.len()..].split("__").collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err("has an empty part; write SIGNOFF__SECTION__KEY with two underscores between the parts".into());
    }
    let (last, tables) = segments.split_last().ok_or("names no key")?;
    let (mut table, mut path) = (root, KeyPath::default());
    for segment in tables {
        let key = matching(table, segment)?;
        path = path.join(&key);
        if !table.contains_key(&key) {
            places.set_by(path.clone(), variable.clone());
        }
        let value = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        table = value.as_table_mut().ok_or_else(|| format!("goes through `{path}`, which is not a table"))?;
    }
    let key = matching(table, last)?;
    places.set_by(path.join(&key), variable);
    table.insert(key, value(raw));
    Ok(())
}

/// The key this segment means: one that is there, whatever its case and with `-` and `.` for `_`,
/// else the segment in lower case.
fn matching(table: &Table, segment: &str) -> Result<String, String> {
    let wanted = segment.to_lowercase();
    if table.contains_key(&wanted) {
        return Ok(wanted);
    }
    let same = |key: &&String| key.to_lowercase().replace(['-', '.'], "_") == wanted;
    let found: Vec<&String> = table.keys().filter(same).collect();
    match found.as_slice() {
        [] => Ok(wanted),
        [one] => Ok((*one).clone()),
        [one, two, ..] => Err(format!("could mean `{one}` or `{two}`; set that key in the file")),
    }
}

/// TOML if it parses, else a string.
fn value(raw: &str) -> Value {
    let parsed = format!("value = {raw}").parse::<Table>().ok().filter(|table| table.len() == 1);
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(raw.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_find_their_keys() {
        #[rustfmt::skip]
        let cases = [
            ("SIGNOFF__HTTP__LISTEN",                "0.0.0.0:80",  r#"http.listen = "0.0.0.0:80""#),
            ("SIGNOFF__DELIVERY__ALLOW_HTTP",        "true",        "delivery.allow_http = true"),
            ("SIGNOFF__AMQP__MAIN__ROUTING_KEYS",    r#"["a","b"]"#, r#"amqp.main.routing_keys = ["a", "b"]"#),
            ("SIGNOFF__CLIENTS__MY_SHOP__TIMEOUT",   "3s",          r#"clients."My-Shop".timeout = "3s""#),
            ("SIGNOFF__CLIENTS__A_EXAMPLE__TIMEOUT", "3s",          r#"clients."a.example".timeout = "3s""#),
            ("SIGNOFF__CLIENTS__NEW__TIMEOUT",       "",            r#"clients.new.timeout = """#),
            ("SIGNOFF__AMQP__MAIN__URL",             "a\nb = 1",    "amqp.main.url = \"a\\nb = 1\""),
            ("SIGNOFF_CONFIG",                       "x",           ""),
            ("SIGNOFF_TEST_DATABASE_URL",            "x",           ""),
        ];
        let file: Table = "[clients.My-Shop]\n[clients.'a.example']".parse().unwrap();
        for (name, raw, expected) in cases {
            let (mut root, mut places) = (file.clone(), Places::default());
            let mistakes = overlay(&mut root, &mut places, &[(name.into(), raw.into())]);
            assert_eq!(mistakes, [], "{name}");
            let mut wanted: Table = expected.parse().unwrap();
            let clients = wanted.entry("clients").or_insert_with(|| Value::Table(Table::new()));
            for key in ["My-Shop", "a.example"] {
                clients.as_table_mut().unwrap().entry(key).or_insert_with(|| Value::Table(Table::new()));
            }
            assert_eq!(root, wanted, "{name}");
        }
    }

    #[test]
    fn a_variable_that_names_no_one_key_is_a_mistake() {
        let file: Table = "list = 1\n[clients.a-b]\n[clients.'a.b']".parse().unwrap();
        for (name, what) in [
            ("SIGNOFF__CLIENTS__A_B__TIMEOUT", "could mean `a-b` or `a.b`; set that key in the file"),
            ("SIGNOFF__LIST__KEY", "goes through `list`, which is not a table"),
            (
                "SIGNOFF__CLIENTS____TIMEOUT",
                "has an empty part; write SIGNOFF__SECTION__KEY with two underscores between the parts",
            ),
        ] {
            let mistakes = overlay(&mut file.clone(), &mut Places::default(), &[(name.into(), "1".into())]);
            assert_eq!(mistakes.iter().map(|m| m.what.as_str()).collect::<Vec<_>>(), [what], "{name}");
        }
    }
}
