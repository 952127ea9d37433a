//! The graph as a picture, drawn without any other program; it follows the viewer's light or dark scheme.

use rcompose_spec::model::Condition;

use super::layout::{HEIGHT, layout};
use super::{Node, Picture};

/// Colours and fonts.
const STYLE: &str = "\
  :root { color-scheme: light dark; --ink: #1f2933; --soft: #616e7c; --paper: #ffffff; --card: #f5f7fa; --line: #9aa5b1; --healthy: #2f855a; --done: #6b46c1; }\n\
  @media (prefers-color-scheme: dark) { :root { --ink: #f5f7fa; --soft: #9aa5b1; --paper: #1f2933; --card: #323f4b; --line: #7b8794; --healthy: #68d391; --done: #b794f4; } }\n\
  .paper { fill: var(--paper); } .card { fill: var(--card); stroke: var(--line); }\n\
  text { font-family: ui-sans-serif, system-ui, sans-serif; text-anchor: middle; fill: var(--ink); }\n\
  .name { font-size: 14px; font-weight: 600; } .detail { font-size: 11px; fill: var(--soft); }\n\
  .edge { fill: none; stroke-width: 1.5; } .optional { stroke-dasharray: 5 4; }\n\
  .started { stroke: var(--line); } .healthy { stroke: var(--healthy); } .completed { stroke: var(--done); }\n\
  .label { font-size: 10px; fill: var(--soft); paint-order: stroke; stroke: var(--paper); stroke-width: 6px; }\n\
  .head-started { fill: var(--line); } .head-healthy { fill: var(--healthy); } .head-completed { fill: var(--done); }\n";

/// Draws the graph.
pub(crate) fn svg(picture: &Picture) -> String {
    let layout = layout(picture);
    let (width, height) = layout.size;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\">\n<style>\n{STYLE}</style>\n<defs>\n",
        escape(&format!("Services of {} and what they wait for", picture.project)),
    );
    for condition in ["started", "healthy", "completed"] {
        text.push_str(&format!(
            "  <marker id=\"{condition}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"head-{condition}\" d=\"M0 0 8 4 0 8z\"/></marker>\n"
        ));
    }
    text.push_str("</defs>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n");
    for (index, edge) in picture.edges.iter().enumerate() {
        let (from, to) = (layout.boxes[edge.from], layout.boxes[edge.to]);
        let mut points = vec![(from.x, from.y + HEIGHT)];
        points.extend(layout.bends[index].iter().copied());
        points.push((to.x, to.y - 2.0));
        let condition = class(edge.condition);
        let optional = if edge.required { "" } else { " optional" };
        text.push_str(&format!(
            "<path class=\"edge {condition}{optional}\" marker-end=\"url(#{condition})\" d=\"{}\"/>\n",
            curve(&points)
        ));
        let (x, y) = middle(&points, index);
        text.push_str(&format!("<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escape(&edge.label())));
    }
    for (node, place) in picture.nodes.iter().zip(&layout.boxes) {
        let left = place.x - place.width / 2.0;
        text.push_str(&format!(
            "<g><title>{}</title><rect class=\"card\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" rx=\"8\"/>\
             <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text><text class=\"detail\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>\n",
            escape(&node.name),
            place.y,
            place.width,
            place.x,
            place.y + 22.0,
            escape(&node.name),
            place.x,
            place.y + 39.0,
            escape(&detail(node)),
        ));
    }
    text.push_str("</svg>\n");
    text
}

/// Returns the second line of a box.
pub(super) fn detail(node: &Node) -> String {
    let mut facts = vec![crate::table::ellipsis(&node.image, 36)];
    if node.replicas != 1 {
        facts.push(format!("×{}", node.replicas));
    }
    facts.extend(node.ports.iter().take(3).cloned());
    facts.retain(|fact| !fact.is_empty());
    facts.join(" · ")
}

fn class(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "started",
        Condition::Healthy => "healthy",
        Condition::Completed => "completed",
    }
}

/// A curve that leaves and enters every point upright.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        match index.checked_sub(1).and_then(|before| points.get(before)) {
            None => path.push_str(&format!("M{x:.1} {y:.1}")),
            Some((from_x, from_y)) => {
                let half = f64::midpoint(*from_y, *y);
                path.push_str(&format!(" C{from_x:.1} {half:.1} {x:.1} {half:.1} {x:.1} {y:.1}"));
            }
        }
    }
    path
}

/// A place on the first stretch, where edges keep apart; in turn a bit higher and lower, so that labels do.
fn middle(points: &[(f64, f64)], index: usize) -> (f64, f64) {
    let share = if index.is_multiple_of(2) { 0.42 } else { 0.66 };
    match points {
        [(x, y), (to_x, to_y), ..] => {
            // The curve is that of a smooth step: across it goes slower than down at its ends.
            let across = share * share * (3.0 - 2.0 * share);
            (x + (to_x - x) * across, y + (to_y - y) * share + 3.0)
        }
        _ => (0.0, 0.0),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
