//! Reads one file into the tree: the items that it defines, imports and names, and the modules that
//! are files of their own.

use super::Tree;
use crate::tidy::code::tokens;

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

/// Reads a module's text; returns the modules that are files of their own, each its parent and its
/// name.
pub fn read(tree: &mut Tree, module: usize, text: &str) -> Vec<(usize, String)> {
    let mut reader = Reader {
        tree,
        tokens: tokens(text),
        at: 0,
        depth: 0,
        open: vec![(module, 0)],
        of: None,
        files: Vec::new(),
    };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    reader.files
}

/// Reads one file's words.
struct Reader<'a> {
    tree: &'a mut Tree,
    tokens: Vec<String>,
    at: usize,
    depth: usize,
    /// The modules that are open, each with the depth of its items.
    open: Vec<(usize, usize)>,
    /// The type of the `impl` that is open, and the depth of its methods.
    of: Option<(Vec<String>, usize)>,
    /// The modules that are files of their own: their parents and their names.
    files: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn token(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn before(&self) -> &str {
        self.at.checked_sub(1).map_or("", |at| self.tokens[at].as_str())
    }

    fn module(&self) -> usize {
        self.open.last().unwrap().0
    }

    fn is_of_module(&self) -> bool {
        self.open.last().unwrap().1 == self.depth
    }

    fn step(&mut self) {
        match self.token(0) {
            "{" => self.depth += 1,
            "}" => self.close(),
            "#" if self.starts(&["#", "[", "cfg", "(", "test", ")", "]"]) => {
                return self.skip_tests();
            }
            "mod" if is_name(self.token(1)) => return self.read_module(),
            "use" if self.token(1) != "<" => return self.read_use(),
            "impl" if self.is_of_module() => return self.read_impl(),
            "macro_rules" => self.define(2),
            word if ITEMS.contains(&word) && is_name(self.token(1)) => self.define(1),
            word if is_name(word) => return self.read_path(),
            _ => {}
        }
        self.at += 1;
    }

    fn starts(&self, with: &[&str]) -> bool {
        with.iter().enumerate().all(|(ahead, token)| self.token(ahead) == *token)
    }

    fn close(&mut self) {
        self.depth -= 1;
        if self.open.len() > 1 && self.depth < self.open.last().unwrap().1 {
            self.open.pop();
        }
        if self.of.as_ref().is_some_and(|(_, depth)| self.depth < *depth) {
            self.of = None;
        }
    }

    /// Notes the item that a keyword defines, and skips its name.
    fn define(&mut self, ahead: usize) {
        let (module, name) = (self.module(), self.token(ahead).to_owned());
        if self.token(0) == "fn" {
            self.tree.functions.insert((name.clone(), self.tree.modules[module].file));
            if let Some((path, _)) = self.of.as_ref().filter(|(_, depth)| *depth == self.depth) {
                self.tree.methods.push((module, path.clone(), name.clone()));
            }
        }
        if self.is_of_module() {
            self.tree.modules[module].items.insert(name);
        }
        self.at += ahead;
    }

    /// Skips a module of unit tests, or the attribute alone if something else follows.
    fn skip_tests(&mut self) {
        self.at += 7;
        if self.token(0) != "mod" {
            return;
        }
        self.at += 2;
        let mut open = 0;
        loop {
            match self.token(0) {
                "{" => open += 1,
                "}" => open -= 1,
                "" => return,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    fn read_module(&mut self) {
        let (parent, name) = (self.module(), self.token(1).to_owned());
        let ends = self.token(2).to_owned();
        self.at += 3;
        if ends == ";" {
            self.files.push((parent, name));
        } else if ends == "{" {
            self.depth += 1;
            let file = self.tree.modules[parent].file;
            let module = self.tree.add(Some(parent), file);
            self.tree.modules[parent].children.insert(name, module);
            self.open.push((module, self.depth));
        }
    }

    /// Reads `impl<…> path::Type<…> {`; of a trait's `impl`, only the names that it uses are noted.
    fn read_impl(&mut self) {
        let mut at = self.at + 1;
        let end = (at..self.tokens.len()).find(|at| self.tokens[*at] == "{").unwrap();
        let is_of_trait = self.tokens[at..end].iter().any(|token| token == "for")
            && !self.tokens[at..end].windows(2).any(|two| two[0] == "for" && two[1] == "<");
        if self.tokens[at] == "<" {
            at = after_generics(&self.tokens, at);
        }
        let path = self.tokens[at..end].iter().take_while(|t| is_name(t) || *t == "::");
        let path: Vec<_> = path.filter(|token| *token != "::").cloned().collect();
        if !is_of_trait {
            self.of = Some((path, self.depth + 1));
        }
        self.at += 1;
    }

    fn read_use(&mut self) {
        let hands_on = self.before() == "pub" || self.before() == ")";
        self.at += 1;
        self.read_use_tree(&mut Vec::new(), hands_on);
        self.at += 1;
    }

    /// Reads `a::{b, c as d, e::*}`, up to its end.
    fn read_use_tree(&mut self, path: &mut Vec<String>, hands_on: bool) {
        let before = path.len();
        loop {
            match self.token(0).to_owned().as_str() {
                "::" if path.is_empty() => path.push("::".to_owned()),
                "::" => {}
                "{" => {
                    self.at += 1;
                    while self.token(0) != "}" {
                        self.read_use_tree(path, hands_on);
                        if self.token(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    break;
                }
                "*" => {
                    let module = self.module();
                    self.tree.modules[module].globs.push(path.clone());
                    self.at += 1;
                    break;
                }
                "as" => {
                    let name = self.token(1).to_owned();
                    self.at += 2;
                    self.bring(name, path, hands_on);
                    break;
                }
                name => path.push(name.to_owned()),
            }
            self.at += 1;
            if matches!(self.token(0), "," | "}" | ";" | "") {
                self.bring(path.last().unwrap().clone(), path, hands_on);
                break;
            }
        }
        path.truncate(before);
    }

    fn bring(&mut self, name: String, path: &[String], hands_on: bool) {
        let path: &[String] = match path {
            [whole @ .., last] if last == "self" && !whole.is_empty() => whole,
            path => path,
        };
        let name = if name == "self" { path.last().unwrap().clone() } else { name };
        let module = self.module();
        if !hands_on {
            self.tree.paths.push((module, path.to_vec()));
        }
        self.tree.modules[module].uses.insert(name, (path.to_vec(), hands_on));
    }

    /// Reads `a::b::c`, or a word alone.
    fn read_path(&mut self) {
        let mut path = vec![self.token(0).to_owned()];
        let (module, before) = (self.module(), self.before().to_owned());
        self.at += 1;
        while self.token(0) == "::" && is_name(self.token(1)) {
            path.push(self.token(1).to_owned());
            self.at += 2;
        }
        let file = self.tree.modules[module].file;
        if before == "." || path.len() > 1 {
            self.tree.calls.insert((path.last().unwrap().clone(), file));
        }
        if before == "." || before == "::" {
            return;
        }
        if path.len() == 1 {
            self.tree.words.insert((module, path.remove(0)));
        } else {
            self.tree.paths.push((module, path));
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn after_generics(tokens: &[String], mut at: usize) -> usize {
    let mut open = 0;
    loop {
        match tokens[at].as_str() {
            "<" => open += 1,
            // The second sign of `->` closes nothing.
            ">" if tokens[at - 1] != "-" => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return at;
        }
    }
}
