//! What may be said about input that is wrong? Names and places, never values.

/// A parser's message without the values it quotes: they may be subjects or sids.
pub(crate) fn without_values(message: &str) -> String {
    match message.rsplit_once(", expected ") {
        Some((head, tail)) => {
            let kind = head.split([':', '`', '"']).next().unwrap_or_default().trim_end();
            format!("{kind}, expected {tail}")
        }
        None if names_only_ours(message) => message.to_owned(),
        None => "not what is expected here".to_owned(),
    }
}

fn names_only_ours(message: &str) -> bool {
    let quotes = message.contains(['`', '"']);
    !quotes || message.starts_with("missing field") || message.starts_with("duplicate field")
}

/// Whether an id could be one: not empty, not longer than `max` bytes, no control characters.
pub(crate) fn is_id(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= max && !text.chars().any(char::is_control)
}

/// Text for an HTML page.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_names_and_lose_values() {
        let table = [
            ("unknown field `alice`, expected one of `a`, `b`", "unknown field, expected one of `a`, `b`"),
            (
                r#"invalid type: string "alice", expected a boolean at line 1 column 9"#,
                "invalid type, expected a boolean at line 1 column 9",
            ),
            (r#"invalid type: string "x, expected alice", expected a map"#, "invalid type, expected a map"),
            ("missing field `issuer`", "missing field `issuer`"),
            ("EOF while parsing an object at line 1 column 1", "EOF while parsing an object at line 1 column 1"),
            ("something about `alice`", "not what is expected here"),
        ];
        for (message, clean) in table {
            assert_eq!(without_values(message), clean);
        }
    }

    #[test]
    fn ids_are_bounded_and_printable() {
        for (text, good) in [("a", true), ("", false), ("abcd", false), ("a\0", false), ("é", true)] {
            assert_eq!(is_id(text, 3), good, "{text:?}");
        }
    }

    #[test]
    fn markup_does_not_survive() {
        assert_eq!(escaped(r#"<a href="x">'&"#), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
