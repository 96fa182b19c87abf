//! The house keeps its floors: no file uses what stands above it, and none grows past 500 lines.
//!
//! The source is read as text, so that every feature and every platform is seen at once. Comments
//! and string literals do not count: documentation may link upwards.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// On which floor each top-level module stands. A file may use its own floor and those below;
/// `proto` and what `lib.rs` re-exports is for all.
const FLOORS: &[(u8, &[&str])] = &[
    (0, &["proto"]),
    (
        1,
        &["rpc", "name", "error", "policy", "time", "window", "mask", "check", "ladder", "observe"],
    ),
    (2, &["transport"]),
    (3, &["call", "operation", "page"]),
    (4, &["client", "livestream", "visionai", "volcengine", "json", "watch", "guide"]),
];

const MOST_LINES: usize = 500;

#[test]
fn no_file_uses_a_floor_above_its_own() {
    let files = sources();
    let modules = files.iter().filter_map(|(file, _)| top_module(file)).collect::<Vec<_>>();
    let breaches = files.iter().flat_map(|(file, text)| breaches(file, text, &modules));
    let breaches = breaches.collect::<Vec<_>>();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let too_long = sources().into_iter().filter_map(|(file, text)| {
        let lines = text.lines().count();
        (lines > MOST_LINES).then(|| format!("{}: {lines} lines", file.display()))
    });
    let too_long = too_long.collect::<Vec<_>>();
    assert!(too_long.is_empty(), "more than {MOST_LINES} lines:\n{}\n", too_long.join("\n"));
}

#[test]
fn what_climbs_is_reported_with_its_file_line_and_path() {
    const TEXT: &str = r##"
//! Comments may link upwards: [`Call`](crate::call::Call).
use crate::{
    name::{ChannelName, call::not_a_module},
    operation, // crate::livestream here is a remark
    proto, Error as page,
};
use super::page::Page;
/* crate::client /* crate::json */ crate::emulator */
impl Layer<'_> {
    const TEXT: &str = "crate::call"; const RAW: &str = r#"say "crate::call""#;
    const QUOTES: [char; 2] = ['"', '\''];
    fn call(self) -> crate :: call::Call { crate::policy::verdict(b"crate::call\\") }
    pub(crate) fn own(&self) { crate::transport::retry::once(); super::mend(); }
}
macro_rules! up { () => { $crate::livestream::LivestreamClient } }
mod inner {
    use super::{super::watch::Watch, helper};
    mod tests { use super::super::*; use super::super::super::super::client::Builder; }
}
use super::super::{model, {operation::{self as op, Operation}, watch}};
use self::call::mine;
"##;
    let modules = ["call", "client", "operation", "page", "livestream", "watch", "transport"];
    let file = Path::new("src/transport/retry.rs");
    let climbs = |line, module, floor| {
        format!(
            "src/transport/retry.rs:{line}: crate::{module} stands on floor {floor}, transport on 2"
        )
    };
    assert_eq!(
        breaches(file, TEXT, &modules),
        [
            climbs(5, "operation", 3),
            climbs(13, "call", 3),
            climbs(16, "livestream", 4),
            climbs(19, "client", 4),
            climbs(21, "operation", 3),
            climbs(21, "watch", 4),
        ]
    );
    assert_eq!(breaches(Path::new("src/lib.rs"), TEXT, &modules), [""; 0]);
    assert_eq!(breaches(Path::new("src/watch.rs"), TEXT, &modules), [""; 0]);
    assert_eq!(
        breaches(Path::new("src/attic/mod.rs"), TEXT, &modules),
        ["src/attic/mod.rs: give the module `attic` a floor in tests/floors.rs"]
    );
}

/// Every file under `src`, by its path from the package's root, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn read(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().into(), text));
            }
        }
    }
    let mut out = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    out.sort();
    out
}

/// What a file uses from floors above its own, one line each.
fn breaches(file: &Path, text: &str, modules: &[impl AsRef<str>]) -> Vec<String> {
    let Some(own) = top_module(file) else { return Vec::new() };
    let Some(floor) = floor_of(&own) else {
        return vec![format!(
            "{}: give the module `{own}` a floor in tests/floors.rs",
            file.display()
        )];
    };
    let is_module = |name: &str| modules.iter().any(|module| module.as_ref() == name);
    let used = uses(module_path(file), text).into_iter().filter(|(_, name)| is_module(name));
    let above = used.filter_map(|(line, name)| {
        let above = floor_of(name).filter(|above| *above > floor)?;
        let file = file.display();
        Some(format!("{file}:{line}: crate::{name} stands on floor {above}, {own} on {floor}"))
    });
    above.collect()
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, modules)| modules.contains(&module)).map(|(floor, _)| *floor)
}

/// The top-level module that a file belongs to; `lib.rs` and programs stand outside of the house.
fn top_module(file: &Path) -> Option<String> {
    module_path(file).into_iter().next().filter(|first| first != "lib" && first != "bin")
}

/// `src/a/b.rs` is `a::b`; `src/a/mod.rs` is `a`.
fn module_path(file: &Path) -> Vec<String> {
    let names = file.with_extension("");
    let names = names.iter().skip(1).map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// The items of the crate's root that a text names, through `crate::` or `super::`, by line.
fn uses(file: Vec<String>, text: &str) -> Vec<(usize, &str)> {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).map_or("", |(_, token)| *token);
    let (mut here, mut out) = (file, Vec::new());
    // Whether each open brace is that of an inline module.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match token(at) {
            "{" => {
                let is_module = at >= 2 && token(at - 2) == "mod";
                if is_module {
                    here.push(token(at - 1).to_owned());
                }
                braces.push(is_module);
            }
            "}" if braces.pop() == Some(true) => {
                here.pop();
            }
            "crate" | "super" if token(at + 1) == "::" => {
                at = follow(&tokens, at, here.clone(), &mut out);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    out
}

/// Reads one path, or a tree of them, that stands in the module `here`; returns where it ends.
fn follow<'t>(
    tokens: &[(usize, &'t str)],
    mut at: usize,
    mut here: Vec<String>,
    out: &mut Vec<(usize, &'t str)>,
) -> usize {
    while let Some(&(line, token)) = tokens.get(at) {
        match token {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            "{" => {
                while tokens.get(at).is_some_and(|(_, token)| *token != "}") {
                    at = follow(tokens, at + 1, here.clone(), out);
                    let is_end = |(_, token): &(usize, &str)| [",", "}"].contains(token);
                    at += tokens[at..].iter().position(is_end).unwrap_or(tokens.len() - at);
                }
                return at + 1;
            }
            name if name.starts_with(is_word) => {
                if here.is_empty() {
                    out.push((line, name));
                }
                here.push(name.to_owned());
            }
            _ => return at,
        }
        at += 1;
        match tokens.get(at) {
            Some((_, "::")) => at += 1,
            _ => return at,
        }
    }
    at
}

/// The words and signs of a Rust text with their lines, without comments and literals.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let (mut out, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (length, is_token) = match first {
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            _ if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (1 + past_quote(&rest[1..], '"'), false),
            '\'' => (character(rest), false),
            'r' | 'b' | 'c' if raw_string(rest).is_some() => (raw_string(rest).unwrap(), false),
            _ if word > 0 => (word, true),
            _ if rest.starts_with("::") => (2, true),
            _ => (first.len_utf8(), !first.is_whitespace()),
        };
        let (token, after) = rest.split_at(length);
        if is_token {
            out.push((line, token));
        }
        line += token.matches('\n').count();
        rest = after;
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

/// How far it is past the quote that ends a literal.
fn past_quote(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character, or of the mere tick of a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), _) | (_, Some('\'')) => 1 + past_quote(&text[1..], '\''),
        _ => 1,
    }
}

/// The length of a raw string, if the text begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let raw = text.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let inside = raw[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + length)
}
