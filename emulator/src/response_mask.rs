//! Response masks, in the forms of the system parameter `fields` of Google's APIs.

/// The deepest nesting of parentheses.
const MAX_DEPTH: usize = 20;

/// The longest path, in bytes. The names before a parenthesis are part of each path in it.
const MAX_PATH: usize = 500;

/// The paths of a mask such as `name,output.uri`, `channels(name,streamingState)` or `channels/name`, in
/// snake case with dots. The path `*` selects all fields.
///
/// # Errors
/// The error in the text.
pub(super) fn paths(text: &str) -> Result<Vec<String>, String> {
    let unexpected = |c: char| Err(format!("is invalid: unexpected `{c}`"));
    let (mut paths, mut open) = (Vec::new(), Vec::new());
    let (mut path, mut start, mut is_closed) = (String::new(), 0, false);
    // The end is read as the comma after the last path.
    for c in text.chars().filter(|c| !c.is_whitespace()).chain([',']) {
        match c {
            _ if is_closed && !matches!(c, ',' | ')') => return unexpected(c),
            _ if !is_closed && path.len() == start && !is_name(c) => return unexpected(c),
            '(' if open.len() < MAX_DEPTH => {
                open.push(start);
                path.push('.');
                start = path.len();
            }
            ',' | ')' => {
                if !is_closed {
                    paths.push(path.strip_suffix(".*").unwrap_or(&path).to_owned());
                }
                if c == ',' {
                    is_closed = false;
                } else if let Some(outer) = open.pop() {
                    // The dot before the parenthesis is not part of the outer path.
                    path.truncate(start - 1);
                    start = outer;
                    is_closed = true;
                } else {
                    return unexpected(c);
                }
                path.truncate(start);
            }
            '/' => path.push('.'),
            c if c.is_ascii_uppercase() => path.extend(['_', c.to_ascii_lowercase()]),
            c if c == '.' || is_name(c) => path.push(c),
            c => return unexpected(c),
        }
        if path.len() > MAX_PATH {
            return Err(format!("is invalid: a path is longer than {MAX_PATH} characters"));
        }
    }
    if open.is_empty() { Ok(paths) } else { Err("is invalid: `)` is missing".to_owned()) }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '*' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_in_every_form() {
        let cases: [(&str, &[&str]); 12] = [
            ("name", &["name"]),
            ("name,streamingState", &["name", "streaming_state"]),
            ("name, streaming_state", &["name", "streaming_state"]),
            ("output.uri", &["output.uri"]),
            ("channels/output/uri", &["channels.output.uri"]),
            ("channels(name)", &["channels.name"]),
            (
                "channels(name,muxStreams/key),next",
                &["channels.name", "channels.mux_streams.key", "next"],
            ),
            ("a(b(c,d),e),f", &["a.b.c", "a.b.d", "a.e", "f"]),
            ("a(b(c(d)))", &["a.b.c.d"]),
            ("a/b(c)", &["a.b.c"]),
            ("*", &["*"]),
            ("channels(*),a/*", &["channels", "a"]),
        ];
        for (text, expected) in cases {
            assert_eq!(paths(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn a_malformed_mask_is_refused() {
        let deep = format!("{}a{}", "a(".repeat(21), ")".repeat(21));
        let long = "a".repeat(501);
        let malformed = [
            "", ",", "a,", ",a", "a,,b", "(", "(a)", "a(", "a(b", "a()", "a(b,)", "a)", "a(b)c",
            "a(b)(c)", "a(b))", "/a", "a b;c", "a(b)/c", &deep, &long,
        ];
        for text in malformed {
            assert!(paths(text).is_err(), "{text}");
        }
    }
}
