//! The structure of the source: floors, no circular imports, an engine that names no service, and
//! files of at most 500 lines.
//!
//! The tests read the source as text, so that they cover every feature and every platform. Comments
//! and string literals do not count as imports, so documentation can link to a higher floor.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The floors, lowest first. A file can import files of its own floor and of lower floors.
const FLOORS: &[&[&str]] = &[
    &["proto"],
    &[
        "gax::planted",
        "gax::sync",
        "gax::name",
        "gax::rpc",
        "gax::error",
        "gax::policy",
        "gax::credentials",
        "gax::descriptor",
    ],
    &["gax::transport_error", "gax::body", "gax::context", "gax::details"],
    &["gax::observe"],
    &["gax::net", "gax::stack", "gax::adc"],
    &["gax::call", "gax::page", "gax::poll", "gax::operation"],
    &["gax::client"],
    &["name", "time"],
    &["livestream", "visionai", "volcengine", "methods", "json"],
    &["gax", "guide"],
];

/// The engine's folder, and the services that it must not name.
const ENGINE: &str = "gax";
const SERVICES: &[&str] = &["livestream", "visionai", "vision ai", "volcengine"];

const MAX_LINES: usize = 500;

#[test]
fn no_file_imports_from_a_floor_above_its_own() {
    let violations = upward_imports(&Source::read());
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn imports_form_no_cycle() {
    let cycles = import_cycles(&Source::read().imports());
    assert!(cycles.is_empty(), "circular imports:\n{}\n", cycles.join("\n"));
}

#[test]
fn the_engine_names_no_service_and_imports_only_itself_and_common_protos() {
    let source = Source::read();
    assert!(source.files.keys().any(|module| is_below(module, ENGINE)), "there is no engine");
    let violations = engine_violations(&source);
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let too_long = Source::read().files.into_iter().filter_map(|(module, text)| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("{module}: {lines} lines"))
    });
    let too_long = too_long.collect::<Vec<_>>();
    assert!(too_long.is_empty(), "more than {MAX_LINES} lines:\n{}\n", too_long.join("\n"));
}

#[test]
fn an_import_from_a_higher_floor_is_reported_with_its_line() {
    const RETRY: &str = r##"
//! Comments can link to a higher floor: [`Call`](crate::gax::call::Call).
use crate::gax::{
    name::{ChannelName, call::not_a_module},
    page, // crate::livestream here is a remark
};
use super::super::operation::Operation;
/* crate::json /* crate::json */ crate::json */
impl Layer<'_> {
    const TEXT: &str = "crate::json"; const RAW: &str = r#"say "crate::json""#;
    const QUOTES: [char; 2] = ['"', '\''];
    fn call(self) -> crate :: gax::call::Call { crate::gax::policy::decide(b"crate::json\\") }
    pub(crate) fn own(&self) { crate::gax::stack::retry::once(); super::mend(); }
}
macro_rules! up { () => { $crate::livestream::Client } }
mod inner {
    use super::{super::super::client::Builder, helper};
}
use self::call::mine;
"##;
    let mut source = Source::of(&[
        ("gax::stack::retry", RETRY),
        ("gax::stack", ""),
        ("gax::call", ""),
        ("gax::client", ""),
        ("gax::name", ""),
        ("gax::operation", ""),
        ("gax::page", ""),
        ("gax::policy", ""),
        ("livestream", ""),
        ("json", ""),
    ]);
    let report = |line, above| format!("gax::stack::retry:{line} imports {above}, a floor above");
    assert_eq!(
        upward_imports(&source),
        [
            report(5, "gax::page"),
            report(7, "gax::operation"),
            report(12, "gax::call"),
            report(15, "livestream"),
            report(17, "gax::client"),
        ]
    );
    source.files = BTreeMap::from([("attic".to_owned(), String::new())]);
    assert_eq!(upward_imports(&source), ["attic: give the module a floor in tests/floors.rs"]);
}

#[test]
fn a_cycle_of_imports_is_reported_and_a_re_export_makes_no_cycle() {
    let source = Source::of(&[
        ("house", "mod hall; mod attic; pub(crate) use hall::{Door as Gate, lamp};"),
        ("house::hall", "use super::attic::Roof; pub struct Door;"),
        ("house::attic", "use super::Gate; use crate::house::cellar::Wine; pub struct Roof;"),
        ("house::cellar", "pub struct Wine;"),
        ("garden", "use crate::house::lamp;"),
    ]);
    assert_eq!(import_cycles(&source.imports()), ["house::hall -> house::attic -> house::hall"]);

    let parent_and_child = Source::of(&[
        ("house", "mod hall; pub struct Key; fn enter() { hall::open() }"),
        ("house::hall", "use super::Key; pub fn open() {}"),
    ]);
    assert_eq!(import_cycles(&parent_and_child.imports()), ["house -> house::hall -> house"]);
}

#[test]
fn an_engine_that_names_a_service_or_imports_an_api_is_reported() {
    let source = Source::of(&[
        ("gax::call", "// for Livestream\nuse crate::proto::google::rpc; use crate::time;"),
        ("gax::page", "use crate::gax::call::Call;"),
        ("proto", ""),
        ("time", ""),
    ]);
    assert_eq!(
        engine_violations(&source),
        [
            "gax::call:1 names a service: livestream",
            "gax::call:2 imports time, outside of the engine"
        ]
    );
}

/// The text of each file under `src`, by the path of its module.
struct Source {
    files: BTreeMap<String, String>,
}

/// Which files each file imports, with a line where it does.
type Imports = BTreeMap<String, BTreeMap<String, usize>>;

impl Source {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        collect(&root, &mut paths);
        let files = paths.into_iter().map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (module_of(path.strip_prefix(&root).unwrap()), text)
        });
        Self { files: files.collect() }
    }

    fn of(files: &[(&str, &str)]) -> Self {
        let own = |(module, text): &(&str, &str)| ((*module).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(own).collect() }
    }

    /// The imports of every file except the root, which only re-exports.
    fn imports(&self) -> Imports {
        let modules = self.files.iter().filter(|(module, _)| *module != ROOT);
        modules.map(|(module, text)| (module.clone(), self.imports_of(module, text))).collect()
    }

    fn imports_of(&self, module: &str, text: &str) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        for Use { line, path, is_re_export, .. } in uses(module, text, &self.children(module)) {
            let definer = self.definer(&path, 0);
            if definer != module && definer != ROOT && !is_re_export {
                out.entry(definer).or_insert(line);
            }
        }
        out
    }

    /// The direct children of a module.
    fn children(&self, module: &str) -> BTreeSet<String> {
        let below = self.files.keys().filter_map(|other| match module {
            ROOT => Some(other.as_str()),
            _ => other.strip_prefix(module)?.strip_prefix("::"),
        });
        below.filter(|rest| !rest.contains("::")).map(str::to_owned).collect()
    }

    /// The module that defines the item of a path. Follows re-exports.
    fn definer(&self, path: &[String], depth: usize) -> String {
        let known = (0..=path.len()).rev().find(|length| self.has(&path[..*length])).unwrap_or(0);
        let module = path[..known].join("::");
        let Some(text) = self.files.get(&module).filter(|_| depth < 8) else { return module };
        let Some(item) = path.get(known) else { return module };
        let uses = uses(&module, text, &self.children(&module));
        let source = uses.into_iter().find(|found| found.is_re_export && found.name == *item);
        source.map_or(module, |source| self.definer(&source.path, depth + 1))
    }

    fn has(&self, path: &[String]) -> bool {
        self.files.contains_key(&path.join("::"))
    }
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// `a/b.rs` is `a::b`, `a/mod.rs` is `a`, and `lib.rs` is the root.
fn module_of(file: &Path) -> String {
    let names = file.with_extension("");
    let names = names.iter().map(|name| name.to_str().unwrap());
    names.filter(|name| !["mod", "lib"].contains(name)).collect::<Vec<_>>().join("::")
}

const ROOT: &str = "";

fn is_below(module: &str, top: &str) -> bool {
    module.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The floor of the longest listed module that contains this one.
fn floor_of(module: &str) -> Option<usize> {
    let listed = FLOORS.iter().enumerate();
    let listed =
        listed.flat_map(|(floor, tops)| tops.iter().map(move |top| (top.len(), floor, top)));
    listed.filter(|(.., top)| is_below(module, top)).max().map(|(_, floor, _)| floor)
}

fn upward_imports(source: &Source) -> Vec<String> {
    let mut out = Vec::new();
    for (module, imports) in source.imports() {
        let Some(floor) = floor_of(&module) else {
            out.push(format!("{module}: give the module a floor in tests/floors.rs"));
            continue;
        };
        let mut above = imports.into_iter().collect::<Vec<_>>();
        above.retain(|(import, _)| floor_of(import).is_some_and(|above| above > floor));
        above.sort_by_key(|(_, line)| *line);
        let report = |(import, line)| format!("{module}:{line} imports {import}, a floor above");
        out.extend(above.into_iter().map(report));
    }
    out
}

/// Each cycle once, from its first module.
fn import_cycles(imports: &Imports) -> Vec<String> {
    fn walk<'a>(
        imports: &'a Imports,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
        out: &mut Vec<String>,
    ) {
        let here = *path.last().unwrap();
        for next in imports.get(here).into_iter().flat_map(BTreeMap::keys) {
            if let Some(at) = path.iter().position(|visited| visited == next) {
                out.push(format!("{} -> {next}", path[at..].join(" -> ")));
            } else if !done.contains(&**next) {
                path.push(next);
                walk(imports, path, done, out);
                path.pop();
            }
        }
        done.insert(here);
    }
    let (mut done, mut out) = (BTreeSet::new(), Vec::new());
    for module in imports.keys() {
        if !done.contains(&**module) {
            walk(imports, &mut vec![module], &mut done, &mut out);
        }
    }
    out
}

fn engine_violations(source: &Source) -> Vec<String> {
    let mut out = Vec::new();
    let imports = source.imports();
    for (module, text) in source.files.iter().filter(|(module, _)| is_below(module, ENGINE)) {
        for (at, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let named = SERVICES.iter().filter(|service| line.contains(**service));
            out.extend(named.map(|name| format!("{module}:{} names a service: {name}", at + 1)));
        }
        let outside = imports[module].iter();
        let outside = outside.filter(|(import, _)| !is_below(import, ENGINE) && *import != "proto");
        out.extend(outside.map(|(import, line)| {
            format!("{module}:{line} imports {import}, outside of the engine")
        }));
    }
    out
}

/// An imported or named path, from the root.
struct Use {
    line: usize,
    path: Vec<String>,
    /// Its local name.
    name: String,
    is_re_export: bool,
}

/// The paths of a text that begin with `crate`, `super`, `self` or a child module.
fn uses(module: &str, text: &str, children: &BTreeSet<String>) -> Vec<Use> {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).map_or("", |(_, token)| *token);
    let mut here = module.split("::").map(str::to_owned).collect::<Vec<_>>();
    here.retain(|name| !name.is_empty());
    let (mut out, mut braces, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        match token(at) {
            "{" => {
                let is_module = at >= 2 && token(at - 2) == "mod";
                if is_module {
                    here.push(token(at - 1).to_owned());
                }
                braces.push(is_module);
            }
            "}" if braces.pop() == Some(true) => drop(here.pop()),
            first if token(at + 1) == "::" && !(at > 0 && token(at - 1) == "::") => {
                let is_child = children.contains(first);
                if is_child || ["crate", "super", "self"].contains(&first) {
                    let is_use = at > 0 && token(at - 1) == "use";
                    let is_re_export = is_use && at > 1 && ["pub", ")"].contains(&token(at - 2));
                    let from = out.len();
                    at = follow(&tokens, at, here.clone(), &mut out);
                    out[from..].iter_mut().for_each(|found| found.is_re_export = is_re_export);
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out
}

/// Reads a path or a tree of paths in the module `here`; returns the index after it.
fn follow(
    tokens: &[(usize, &str)],
    mut at: usize,
    mut here: Vec<String>,
    out: &mut Vec<Use>,
) -> usize {
    let mut line = 0;
    while let Some(&(found, token)) = tokens.get(at) {
        line = found;
        match token {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            "self" => {}
            "{" => {
                while tokens.get(at).is_some_and(|(_, token)| *token != "}") {
                    at = follow(tokens, at + 1, here.clone(), out);
                    let is_end = |(_, token): &(usize, &str)| [",", "}"].contains(token);
                    at += tokens[at..].iter().position(is_end).unwrap_or(tokens.len() - at);
                }
                return at + 1;
            }
            name if name.starts_with(is_word) => here.push(name.to_owned()),
            _ => return at,
        }
        at += 1;
        match tokens.get(at) {
            Some((_, "::")) => at += 1,
            _ => break,
        }
    }
    let alias = tokens.get(at).filter(|(_, token)| *token == "as").and(tokens.get(at + 1));
    let name = alias.map(|(_, name)| (*name).to_owned()).or_else(|| here.last().cloned());
    out.push(Use { line, path: here, name: name.unwrap_or_default(), is_re_export: false });
    at
}

/// The words and punctuation of a Rust text with their lines, without comments and literals.
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

/// The length of a block comment. Block comments nest.
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

/// The length up to and including the quote that ends a literal.
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

/// The length of a character literal, or of the tick of a lifetime.
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
