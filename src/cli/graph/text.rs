//! The graph as text: a tree, Mermaid and Graphviz sources, JSON.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Edge, Picture};
use crate::style::{Paint, Tone};

/// Indented lines, from what nothing waits for down to what all wait for. What was shown before is not shown again.
pub(crate) fn tree(picture: &Picture, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.paint(Tone::Strong, &picture.project));
    let tops: Vec<usize> = (0..picture.nodes.len()).filter(|place| picture.is_top(*place)).collect();
    let mut walk = Walk { picture, paint, text: &mut text, shown: BTreeSet::new() };
    for (index, top) in tops.iter().enumerate() {
        walk.branch(*top, None, "", index + 1 == tops.len());
    }
    text
}

struct Walk<'a> {
    picture: &'a Picture,
    paint: Paint,
    text: &'a mut String,
    shown: BTreeSet<usize>,
}

impl Walk<'_> {
    fn branch(&mut self, place: usize, edge: Option<&Edge>, before: &str, last: bool) {
        let node = &self.picture.nodes[place];
        let mut line = format!("{before}{} {}", if last { "└─" } else { "├─" }, self.paint.paint(Tone::Strong, &node.name));
        let mut facts = vec![node.image.clone()];
        if node.replicas != 1 {
            facts.push(format!("×{}", node.replicas));
        }
        facts.extend(node.ports.iter().cloned());
        facts.retain(|fact| !fact.is_empty());
        line.push_str(&self.paint.paint(Tone::Dim, &format!("  {}", facts.join(" "))));
        if let Some(edge) = edge {
            line.push_str(&self.paint.paint(Tone::Busy, &format!("  ({})", edge.label())));
        }
        let again = !self.shown.insert(place);
        let dependencies: Vec<Edge> = self.picture.dependencies(place).cloned().collect();
        if again && !dependencies.is_empty() {
            line.push_str(&self.paint.paint(Tone::Dim, "  (as above)"));
        }
        self.text.push_str(&line);
        self.text.push('\n');
        if again {
            return;
        }
        let before = format!("{before}{}", if last { "   " } else { "│  " });
        for (index, edge) in dependencies.iter().enumerate() {
            self.branch(edge.to, Some(edge), &before, index + 1 == dependencies.len());
        }
    }
}

/// Mermaid source. Nodes have numbers for ids: names may be words of Mermaid.
pub(crate) fn mermaid(picture: &Picture) -> String {
    let mut text = String::from("graph TD\n");
    for (place, node) in picture.nodes.iter().enumerate() {
        let label = if node.replicas == 1 {
            node.name.clone()
        } else {
            format!("{} ×{}", node.name, node.replicas)
        };
        text.push_str(&format!("  n{place}[\"{}\"]\n", label.replace('"', "#quot;")));
    }
    for edge in &picture.edges {
        let arrow = if edge.required { "-->" } else { "-.->" };
        text.push_str(&format!("  n{} {arrow}|{}| n{}\n", edge.from, edge.label(), edge.to));
    }
    text
}

/// Graphviz source.
pub(crate) fn dot(picture: &Picture) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!("digraph {} {{\n  node [shape=box, style=rounded];\n", quoted(&picture.project));
    for node in &picture.nodes {
        let label = if node.replicas == 1 {
            node.name.clone()
        } else {
            format!("{} ×{}", node.name, node.replicas)
        };
        text.push_str(&format!("  {} [label={}];\n", quoted(&node.name), quoted(&label)));
    }
    for edge in &picture.edges {
        let (from, to) = (&picture.nodes[edge.from].name, &picture.nodes[edge.to].name);
        let style = if edge.required { "" } else { ", style=dashed" };
        text.push_str(&format!("  {} -> {} [label={}{style}];\n", quoted(from), quoted(to), quoted(&edge.label())));
    }
    text.push_str("}\n");
    text
}

/// One JSON object.
pub(crate) fn json(picture: &Picture) -> String {
    let services: Vec<_> = picture
        .nodes
        .iter()
        .map(|node| json!({ "name": node.name, "image": node.image, "replicas": node.replicas, "ports": node.ports }))
        .collect();
    let edges: Vec<_> = picture
        .edges
        .iter()
        .map(|edge| {
            json!({
                "from": picture.nodes[edge.from].name,
                "to": picture.nodes[edge.to].name,
                "condition": edge.condition,
                "restart": edge.restart,
                "required": edge.required,
            })
        })
        .collect();
    let object = json!({ "form": 1, "project": picture.project, "services": services, "edges": edges });
    format!("{}\n", serde_json::to_string_pretty(&object).unwrap_or_default())
}
