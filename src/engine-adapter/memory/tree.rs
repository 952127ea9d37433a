//! The files of a container: a handful, by their paths.

use std::collections::BTreeMap;

use rcompose_engine_adapter::FileMount;

/// Links that are followed for one path. Source: path_resolution(7).
const MOST_LINKS: u32 = 40;

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permissions.
    pub(crate) mode: u32,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) modified: u64,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File(Vec<u8>),
    Folder,
    Link(String),
}

impl Node {
    /// Returns the bytes of a file.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        match &self.kind {
            NodeKind::File(bytes) => Some(bytes),
            NodeKind::Folder | NodeKind::Link(_) => None,
        }
    }

    fn folder() -> Self {
        Self { kind: NodeKind::Folder, uid: 0, gid: 0, mode: 0o755, modified: 0 }
    }
}

/// All of them. Keys are absolute and clean; that of the root is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// A root with the files that the container was given.
    pub(crate) fn of(files: &[FileMount]) -> Self {
        let mut tree = Self(BTreeMap::from([(String::new(), Node::folder())]));
        for file in files {
            let kind = NodeKind::File(file.content.expose().to_vec());
            let node = Node { kind, uid: file.uid, gid: file.gid, mode: file.mode & 0o7777, modified: 0 };
            tree.insert(file.target.trim_end_matches('/'), node);
        }
        tree
    }

    /// Puts something at a clean path, with folders above it.
    pub(crate) fn insert(&mut self, path: &str, node: Node) {
        for (at, _) in path.match_indices('/').skip(1) {
            self.0.entry(path[..at].to_owned()).or_insert_with(Node::folder);
        }
        self.0.insert(path.to_owned(), node);
    }

    pub(crate) fn get(&self, clean: &str) -> Option<&Node> {
        self.0.get(clean)
    }

    pub(crate) fn remove(&mut self, clean: &str) {
        self.0.remove(clean);
    }

    /// What is at a path, a link at its end followed.
    pub(crate) fn follow(&self, path: &str) -> Option<&Node> {
        self.get(&self.resolve(path, true)?)
    }

    /// Cleans a path and follows the links on it; the last part may be absent. Nothing where a part before it is absent or no folder.
    pub(crate) fn resolve(&self, path: &str, last_too: bool) -> Option<String> {
        let mut ahead: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut at, mut links) = (String::new(), 0);
        while let Some(part) = ahead.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let is_last = ahead.is_empty();
            let next = format!("{at}/{part}");
            match self.get(&next).map(|it| &it.kind) {
                Some(NodeKind::Link(target)) if !is_last || last_too => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        at.clear();
                    }
                    ahead.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(NodeKind::File(_)) | None if !is_last => return None,
                _ => at = next,
            }
        }
        Some(at)
    }

    /// A clean path and everything below it.
    pub(crate) fn below<'a>(&'a self, clean: &'a str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let is_below = move |path: &str| path.strip_prefix(clean).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.0.iter().filter(move |(path, _)| is_below(path)).map(|(path, node)| (path.as_str(), node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_within_the_root() {
        let mut tree = Tree::of(&[]);
        let link = |to: &str| Node { kind: NodeKind::Link(to.into()), ..Node::folder() };
        tree.insert("/a/b", Node { kind: NodeKind::File(b"x".to_vec()), ..Node::folder() });
        tree.insert("/up", link("../../a"));
        tree.insert("/abs", link("/up/b"));
        tree.insert("/loop", link("loop"));
        assert_eq!(tree.resolve("/../up/./b", true).as_deref(), Some("/a/b"));
        assert_eq!(tree.follow("/abs").and_then(Node::content), Some(&b"x"[..]));
        assert_eq!(tree.resolve("/abs", false).as_deref(), Some("/abs"));
        assert_eq!(tree.resolve("/up/", false).as_deref(), Some("/a"), "what ends with a slash is looked through");
        assert_eq!(tree.resolve("/loop", true), None);
        assert_eq!(tree.resolve("/a/b/c", true), None);
        assert_eq!(tree.resolve("/new", true).as_deref(), Some("/new"));
        assert_eq!(tree.below("/a").map(|it| it.0).collect::<Vec<_>>(), ["/a", "/a/b"]);
    }
}
