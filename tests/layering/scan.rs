//! Reads a Rust source just well enough to list the paths it names: comments,
//! strings and what is compiled only for tests are left out, `use` trees are
//! expanded, `super` and `self` are resolved.

use std::collections::BTreeSet;

/// A path that a file names.
#[derive(Debug)]
pub(crate) struct Reference {
    /// From its root: `crate::model::E164`, `std::fmt`, `println!`.
    pub(crate) path: String,
    /// Whether a `use` brings it in, so that its inner names can be used unseen.
    pub(crate) imported: bool,
    /// Line, from 1.
    pub(crate) line: usize,
}

/// One file and the paths it names.
#[derive(Debug)]
pub(crate) struct Source {
    /// The folder below `src/`, or the stem of a file that lies there itself.
    pub(crate) layer: String,
    /// In order of appearance.
    pub(crate) references: Vec<Reference>,
}

impl Source {
    /// `file` is relative to `src/`.
    pub(crate) fn read(file: &str, text: &str) -> Self {
        let module = module_of(file);
        let layer = module.first().cloned().unwrap_or_default();
        let tokens = without_test_code(&tokens(text)).0;
        let mut references = paths(&tokens);
        for reference in &mut references {
            reference.path = resolve(&reference.path, &module);
        }
        Self { layer, references }
    }
}

/// The files that only `#[cfg(test)] mod name;` brings in, with what lies below them.
pub(crate) fn test_only_files(files: &[(String, String)]) -> BTreeSet<String> {
    let mut roots: Vec<Vec<String>> = Vec::new();
    for (file, text) in files {
        for name in without_test_code(&tokens(text)).1 {
            let mut module = module_of(file);
            module.push(name);
            roots.push(module);
        }
    }
    files
        .iter()
        .filter(|(file, _)| roots.iter().any(|root| module_of(file).starts_with(root)))
        .map(|(file, _)| file.clone())
        .collect()
}

/// `detector/evidence/volume.rs` → detector, evidence, volume.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    stem.split('/').map(str::to_owned).collect()
}

/// Turns a leading `self` or `super` into the path from `crate`.
fn resolve(path: &str, module: &[String]) -> String {
    let mut segments = path.split("::").peekable();
    let mut base = module.to_vec();
    match segments.peek() {
        Some(&"self") => {
            segments.next();
        }
        Some(&"super") => {
            while segments.next_if_eq(&"super").is_some() {
                base.pop();
            }
        }
        _ => return path.to_owned(),
    }
    let mut full = vec!["crate".to_owned()];
    full.append(&mut base);
    full.extend(segments.map(str::to_owned));
    full.join("::")
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    /// An identifier, `::`, or one character.
    text: String,
    line: usize,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Identifiers and punctuation, without comments and without the contents of literals.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut i, mut line) = (0, 1);
    let starts = |i: usize, what: &str| what.chars().enumerate().all(|(k, c)| chars.get(i + k) == Some(&c));
    while i < chars.len() {
        let begin = i;
        if starts(i, "//") {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if starts(i, "/*") {
            i = end_of_comment(&chars, i);
        } else if let Some(end) = end_of_string(&chars, i) {
            i = end;
        } else if chars[i].is_alphabetic() || chars[i] == '_' {
            while i < chars.len() && (chars[i].is_alphanumeric() || chars[i] == '_') {
                i += 1;
            }
            found.push(Token {
                text: chars[begin..i].iter().collect(),
                line,
            });
        } else if chars[i].is_ascii_digit() {
            // A number and its suffix are no name.
            while i < chars.len() && (chars[i].is_alphanumeric() || chars[i] == '_') {
                i += 1;
            }
        } else if starts(i, "::") {
            i += 2;
            found.push(Token {
                text: "::".to_owned(),
                line,
            });
        } else {
            i += 1;
            if !chars[begin].is_whitespace() {
                found.push(Token {
                    text: chars[begin].to_string(),
                    line,
                });
            }
        }
        line += chars[begin..i].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn end_of_comment(chars: &[char], begin: usize) -> usize {
    let (mut depth, mut i) = (0, begin);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    break;
                }
            }
            _ => i += 1,
        }
    }
    i
}

/// Where the string or character literal that begins at `begin` ends, if one does.
fn end_of_string(chars: &[char], begin: usize) -> Option<usize> {
    let mut i = begin;
    while matches!(chars.get(i), Some('b' | 'c' | 'r')) && i - begin < 2 {
        i += 1;
    }
    let raw = chars[begin..i].contains(&'r');
    let mut hashes = 0;
    while raw && chars.get(i) == Some(&'#') {
        hashes += 1;
        i += 1;
    }
    match chars.get(i)? {
        '"' => {}
        // 'x' and '\n' are characters, 'a is a lifetime.
        '\'' if !raw => {
            let closes = match chars.get(i + 1)? {
                '\\' => (i + 3..chars.len()).find(|&k| chars[k] == '\'')?,
                _ if chars.get(i + 2) == Some(&'\'') => i + 2,
                _ => return None,
            };
            return Some(closes + 1);
        }
        _ => return None,
    }
    i += 1;
    while i < chars.len() {
        match chars[i] {
            '\\' if !raw => i += 2,
            '"' if (1..=hashes).all(|k| chars.get(i + k) == Some(&'#')) => return Some(i + 1 + hashes),
            _ => i += 1,
        }
    }
    Some(i)
}

/// Takes out every item under `#[cfg(test)]`; also says which modules in files of
/// their own were declared there.
fn without_test_code(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut i = 0;
    while i < tokens.len() {
        if !MARK.iter().enumerate().all(|(k, m)| text(i + k) == *m) {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        i += MARK.len();
        while text(i) == "#" {
            i = after_group(tokens, i + 1, "[", "]");
        }
        let begin = i;
        let ends_with_semicolon = text(i) == "use";
        while i < tokens.len() && text(i) != ";" && (ends_with_semicolon || text(i) != "{") {
            i += 1;
        }
        if text(i) == "{" {
            i = after_group(tokens, i, "{", "}");
        } else {
            if let Some(at) = (begin..i).find(|&k| text(k) == "mod") {
                modules.push(text(at + 1).to_owned());
            }
            i += 1;
        }
    }
    (kept, modules)
}

/// The index after the bracketed group that opens at or after `i`.
fn after_group(tokens: &[Token], mut i: usize, open: &str, close: &str) -> usize {
    let mut depth = 0;
    while i < tokens.len() {
        if tokens[i].text == open {
            depth += 1;
        } else if tokens[i].text == close {
            depth -= 1;
            if depth == 0 {
                return i + 1;
            }
        }
        i += 1;
    }
    i
}

/// All paths: expanded `use` trees, paths of two segments or more, macros.
fn paths(tokens: &[Token]) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let token = &tokens[i];
        if token.text == "use" {
            i = use_tree(tokens, i + 1, "", &mut found);
        } else if token.is_name() {
            let mut path = token.text.clone();
            i += 1;
            while tokens.get(i).is_some_and(|t| t.text == "::") && tokens.get(i + 1).is_some_and(Token::is_name) {
                path.push_str("::");
                path.push_str(&tokens[i + 1].text);
                i += 2;
            }
            let is_macro = tokens.get(i).is_some_and(|t| t.text == "!");
            if path.contains("::") {
                found.push(Reference {
                    path,
                    imported: false,
                    line: token.line,
                });
            } else if is_macro {
                found.push(Reference {
                    path: path + "!",
                    imported: false,
                    line: token.line,
                });
            }
        } else {
            i += 1;
        }
    }
    found
}

/// Expands the tree that begins at `i`; returns the index after it.
fn use_tree(tokens: &[Token], mut i: usize, prefix: &str, found: &mut Vec<Reference>) -> usize {
    let join = |prefix: &str, name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}::{name}")
        }
    };
    let mut path = prefix.to_owned();
    let line = tokens.get(i).map_or(0, |t| t.line);
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            "::" => i += 1,
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|t| t.text != "}") {
                    i = use_tree(tokens, i, &path, found);
                    i += usize::from(tokens.get(i).is_some_and(|t| t.text == ","));
                }
                return i + 1;
            }
            "as" => i += 2,
            // `{self}` is the module itself; a leading `self` is kept for `resolve`.
            "self" if !path.is_empty() => i += 1,
            name if token.is_name() || name == "*" => {
                path = join(&path, name);
                i += 1;
            }
            _ => break,
        }
    }
    if !path.is_empty() {
        found.push(Reference {
            path,
            imported: true,
            line,
        });
    }
    // Not a path after `use` (a `;`, a `,`, a closing brace): the caller goes on.
    i.max(1)
}
