//! Does the caller know the version it is about to replace? `If-Match` and `If-None-Match`.

use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::problem::{Kind, Problem};

/// The entity tag of a version.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// Which version a write asks the store to insist on: 0 for "not registered", `None` for any.
/// `current`: the version as far as we know; the store decides.
pub(crate) fn insisted(headers: &HeaderMap, current: Option<i64>) -> Result<Option<i64>, Problem> {
    let tag = current.map(etag);
    let current_or_none = Some(current.unwrap_or(0));
    let if_match = tags(headers, &IF_MATCH);
    if !if_match.is_empty() {
        let holds = tag.as_ref().is_some_and(|tag| if_match.iter().any(|wanted| *wanted == "*" || wanted == tag));
        return if holds { Ok(current) } else { Err(failed()) };
    }
    let if_none_match = tags(headers, &IF_NONE_MATCH);
    if if_none_match.is_empty() {
        return Ok(None);
    }
    if tag.is_some_and(|tag| none_match_hits(&if_none_match, &tag)) { Err(failed()) } else { Ok(current_or_none) }
}

/// Whether the reader already has this version.
pub(crate) fn not_modified(headers: &HeaderMap, tag: &str) -> bool {
    none_match_hits(&tags(headers, &IF_NONE_MATCH), tag)
}

pub(crate) fn failed() -> Problem {
    Problem::new(Kind::PreconditionFailed, "read the client again and repeat with its ETag")
}

fn none_match_hits(wanted: &[&str], tag: &str) -> bool {
    wanted.iter().any(|wanted| *wanted == "*" || wanted.strip_prefix("W/").unwrap_or(wanted) == tag)
}

/// Every tag of every such header. Ours hold no commas.
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn conditions_become_versions() {
        // `If-Match`, `If-None-Match`, current → what the store must insist on; Err: 412.
        let table = [
            (None, None, None, Ok(None)),
            (None, None, Some(3), Ok(None)),
            (Some("\"3\""), None, Some(3), Ok(Some(3))),
            (Some("\"2\", \"3\""), None, Some(3), Ok(Some(3))),
            (Some("\"2\""), None, Some(3), Err(())),
            (Some("W/\"3\""), None, Some(3), Err(())),
            (Some("*"), None, Some(3), Ok(Some(3))),
            (Some("*"), None, None, Err(())),
            (Some("\"3\""), None, None, Err(())),
            (None, Some("*"), None, Ok(Some(0))),
            (None, Some("*"), Some(3), Err(())),
            (None, Some("\"2\""), Some(3), Ok(Some(3))),
            (None, Some("W/\"3\""), Some(3), Err(())),
        ];
        for (if_match, if_none_match, current, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in [(IF_MATCH, if_match), (IF_NONE_MATCH, if_none_match)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let got = insisted(&headers, current).map_err(|_| ());
            assert_eq!(got, expected, "{if_match:?} {if_none_match:?} {current:?}");
        }
    }
}
