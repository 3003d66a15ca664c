//! A crate's modules, read from its files' text: the items that each defines, imports by `use`, and
//! names.
//!
//! [`super::circles`] uses it. Modules of unit tests (`#[cfg(test)]`) are left out.

mod reader;

use std::collections::{BTreeMap, BTreeSet};

/// A module: a file's, or one that is written out within a file.
#[derive(Default)]
pub struct Module {
    /// The file that it is written in.
    pub file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// The names that a `use` imports: where each leads, and whether it is re-exported.
    uses: BTreeMap<String, (Vec<String>, bool)>,
    /// The modules whose names are all imported.
    globs: Vec<Vec<String>>,
}

/// A crate as it is written.
#[derive(Default)]
pub struct Tree {
    /// The names of its files.
    pub files: Vec<String>,
    /// The modules; the first is the root.
    pub modules: Vec<Module>,
    /// Each path that code or a `use` names, with its module.
    pub paths: Vec<(usize, Vec<String>)>,
    /// The single words of code, with their modules.
    pub words: BTreeSet<(usize, String)>,
    /// The methods that an `impl` gives a type: its module, the type's path, the name.
    pub methods: Vec<(usize, Vec<String>, String)>,
    /// Every function's name, with its file.
    pub functions: BTreeSet<(String, usize)>,
    /// The names that are called alone (`.name()`, `Type::name`), with the file.
    pub calls: BTreeSet<(String, usize)>,
}

/// The target of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A module itself.
    Module(usize),
    /// An item that this file defines.
    Item(usize),
}

/// More `use`s than any path goes through.
const DEEP: usize = 24;

impl Tree {
    /// Reads the crate whose root is a file, from all files by name.
    pub fn read(root: &str, texts: &BTreeMap<String, String>) -> Self {
        let mut tree = Self::default();
        tree.read_file(root, root.rsplit_once('/').unwrap().0, None, texts);
        tree
    }

    fn read_file(
        &mut self,
        name: &str,
        folder: &str,
        parent: Option<usize>,
        texts: &BTreeMap<String, String>,
    ) -> usize {
        self.files.push(name.to_owned());
        let module = self.add(parent, self.files.len() - 1);
        let text = texts.get(name).unwrap_or_else(|| panic!("{name} isn't there"));
        for (parent, name) in reader::read(self, module, text) {
            let child = format!("{folder}/{name}");
            let module = self.read_file(&format!("{child}.rs"), &child, Some(parent), texts);
            self.modules[parent].children.insert(name, module);
        }
        module
    }

    fn add(&mut self, parent: Option<usize>, file: usize) -> usize {
        self.modules.push(Module { file, parent, ..Module::default() });
        self.modules.len() - 1
    }

    /// Returns the target of a path that this module names; none if it leads out of the crate.
    pub fn resolve(&self, module: usize, path: &[String]) -> Option<Place> {
        self.resolve_within(module, path, DEEP)
    }

    fn resolve_within(&self, module: usize, path: &[String], deep: usize) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        let mut place = match first.as_str() {
            "crate" => Place::Module(0),
            "self" => Place::Module(module),
            "super" => Place::Module(self.modules[module].parent?),
            name => self.look_up(module, name, deep)?,
        };
        for name in rest {
            place = match place {
                Place::Module(module) if name == "super" => {
                    Place::Module(self.modules[module].parent?)
                }
                Place::Module(module) if name == "self" => Place::Module(module),
                // It may be made by a macro.
                Place::Module(module) => self
                    .look_up(module, name, deep)
                    .unwrap_or(Place::Item(self.modules[module].file)),
                Place::Item(_) => break,
            };
        }
        Some(place)
    }

    fn look_up(&self, module: usize, name: &str, deep: usize) -> Option<Place> {
        let deep = deep.checked_sub(1)?;
        let here = &self.modules[module];
        if let Some(child) = here.children.get(name) {
            return Some(Place::Module(*child));
        }
        if here.items.contains(name) {
            return Some(Place::Item(here.file));
        }
        if let Some((path, _)) = here.uses.get(name) {
            return self.resolve_within(module, path, deep);
        }
        self.look_up_in_globs(module, name, deep)
    }

    fn look_up_in_globs(&self, module: usize, name: &str, deep: usize) -> Option<Place> {
        self.modules[module].globs.iter().find_map(|path| {
            match self.resolve_within(module, path, deep)? {
                Place::Module(other) if other != module => self.look_up(other, name, deep),
                _ => None,
            }
        })
    }

    /// Returns the target of a single word of code that no path or `use` of its module explains:
    /// one that the module re-exports, or that a glob imports.
    pub fn resolve_word(&self, module: usize, word: &str) -> Option<Place> {
        let here = &self.modules[module];
        if here.children.contains_key(word) || here.items.contains(word) {
            return None;
        }
        match here.uses.get(word) {
            Some((path, true)) => self.resolve(module, path),
            Some(_) => None,
            None => self.look_up_in_globs(module, word, DEEP),
        }
    }
}
