//! The links of all Markdown files: each leads to a file that is there, to a heading that it has,
//! or by https to somewhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use reqwest::Url;

use super::root;

/// Folders whose files are not ours, beside those that begin with a dot.
const FOREIGN: [&str; 2] = ["target", "data"];

/// The headings and the links of a file.
#[derive(Default)]
struct Document {
    anchors: Vec<String>,
    links: Vec<String>,
}

impl Document {
    fn read(text: &str) -> Self {
        let (mut document, mut heading) = (Self::default(), None);
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let slug = slug(&heading.take().unwrap());
                    document.add_anchor(slug);
                }
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push(dest_url.into_string());
                }
                _ => {}
            }
        }
        document
    }

    /// A heading that is there already gets a number, as GitHub has it.
    fn add_anchor(&mut self, slug: String) {
        let mut anchor = slug.clone();
        let mut number = 0;
        while self.anchors.contains(&anchor) {
            number += 1;
            anchor = format!("{slug}-{number}");
        }
        self.anchors.push(anchor);
    }
}

/// Returns the anchor that GitHub gives to a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.collect::<String>().to_lowercase()
}

/// Returns all Markdown files, by their path from the root.
fn documents() -> BTreeMap<PathBuf, Document> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root().to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_foreign =
                name.starts_with('.') || path.parent() == Some(root()) && FOREIGN.contains(&name);
            if path.is_dir() && !is_foreign {
                open.push(path);
            } else if name.ends_with(".md") {
                let document = Document::read(&std::fs::read_to_string(&path).unwrap());
                found.insert(path.strip_prefix(root()).unwrap().to_owned(), document);
            }
        }
    }
    found
}

/// Returns the path without `.` and `..`; none if it leads out of the root.
fn resolve(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                if !path.pop() {
                    return None;
                }
            }
            part => path.push(part),
        }
    }
    Some(path)
}

/// Returns what is wrong with a link of a file.
fn fault(file: &Path, link: &str, all: &BTreeMap<PathBuf, Document>) -> Option<&'static str> {
    if link.contains(':') {
        let url = Url::parse(link).ok();
        let is_right = url.is_some_and(|url| {
            url.scheme() == "https" && url.domain().is_some_and(|host| host.contains('.'))
        });
        return (!is_right).then_some("it is no address with https");
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, it)| (path, Some(it)));
    let target = match path {
        "" => file.to_owned(),
        path => match resolve(file.parent().unwrap(), path) {
            Some(target) if root().join(&target).exists() => target,
            _ => return Some("there is no such file"),
        },
    };
    let anchor = anchor?;
    let is_there = all.get(&target).is_some_and(|it| it.anchors.iter().any(|it| it == anchor));
    (!is_there).then_some("the file has no such heading")
}

#[test]
fn every_link_leads_somewhere() {
    let all = documents();
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/README.md"] {
        assert!(all[Path::new(file)].links.len() > 1, "{file}");
    }
    let mut wrong = Vec::new();
    for (file, document) in &all {
        let faults =
            document.links.iter().filter_map(|link| Some((link, fault(file, link, &all)?)));
        wrong.extend(faults.map(|(link, fault)| format!("{}: {link}: {fault}", file.display())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Nobody finds a page that no other one leads to.
#[test]
fn the_index_leads_to_every_page() {
    let index = &documents()[Path::new("docs/README.md")];
    let pages = std::fs::read_dir(root().join("docs")).unwrap();
    let missing: Vec<_> = pages
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .filter(|page| page != "README.md" && !index.links.contains(page))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let all = documents();
    let fault = |link| fault(Path::new("docs/README.md"), link, &all);
    for right in
        ["cli.md", "../README.md#run-it", "https://example.org/a", "#by-subject", "../docs"]
    {
        assert_eq!(fault(right), None, "{right}");
    }
    for wrong in [
        "nowhere.md",
        "cli.md#nowhere",
        "#nowhere",
        "../../README.md",
        "../Cargo.toml#L1",
        "http://example.org",
        "https://",
        "https://localhost",
        "mailto:a@example.org",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# What `/readyz` says\n## A\n## A\n## It's `x`: done, or not?\n### `a_b` - c\n";
    let wanted = ["what-readyz-says", "a", "a-1", "its-x-done-or-not", "a_b---c"];
    assert_eq!(Document::read(text).anchors, wanted);
}
