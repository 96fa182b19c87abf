//! The guide and the README are complete, and rustdoc shows the guide's pictures. Their examples
//! are doctests.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_python_table_lists_every_method_in_the_order_of_the_service() {
    let service = read("proto/google/cloud/video/livestream/v1/service.proto");
    let rpcs = service.lines().filter_map(|line| line.trim().strip_prefix("rpc "));
    let methods = rpcs.map(|rpc| snake_case(rpc.split('(').next().unwrap()));
    let methods = methods.collect::<Vec<_>>();
    assert_eq!(methods.len(), 34);

    let guide = read("src/guide/python.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| [`"));
    let listed = rows.map(|row| row.split('`').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(listed, methods);
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[test]
fn svg_pictures_are_one_html_block_in_the_pages_colour_and_load_nothing() {
    for name in ["channel", "dvr", "stack"] {
        let picture = read(&format!("src/guide/{name}.svg"));
        // A blank line would end the block, and the rest would be read as Markdown.
        assert!(picture.lines().all(|line| !line.trim().is_empty()), "{name}");
        // An HTML block begins only if the first line is a complete tag.
        let first = picture.lines().next().unwrap();
        assert!(first.starts_with("<svg ") && first.ends_with('>'), "{name}: {first}");
        assert!(first.contains("fill=\"currentColor\""), "{name}: dark themes need currentColor");
        assert!(!picture.contains("=\"#"), "{name}: a fixed colour, which some theme hides");
        for foreign in ["href", "src=", "@import", "<style", "<script"] {
            assert!(!picture.contains(foreign), "{name}: {foreign}");
        }
    }
}

#[test]
fn every_chapter_is_in_the_table_of_contents() {
    let guide = read("src/guide/mod.rs");
    let mut chapters = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    chapters.sort();
    let listed = guide.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". [`"));
    let mut listed = listed.map(|(_, rest)| rest.split('`').next().unwrap()).collect::<Vec<_>>();
    listed.sort_unstable();
    assert_eq!(listed, chapters);
}

#[test]
fn every_file_that_the_readme_or_contributing_names_exists() {
    let folders = ["src/", "tests/", "emulator/", "examples/", "benches/", "proto/", ".ci/"];
    for document in ["README.md", "CONTRIBUTING.md", "benches/README.md"] {
        let text = read(document);
        // Between backticks stand paths, commands and code.
        let words = text
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|word| word.split_whitespace().next().unwrap_or_default());
        let paths = words.filter(|word| folders.iter().any(|folder| word.starts_with(folder)));
        for path in paths {
            let found = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists();
            assert!(found, "{document} names {path}, which does not exist");
        }
    }
}
