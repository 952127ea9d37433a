//! Where the boxes of a layered drawing stand. Source: Sugiyama's method: longest-path layers, barycentres against crossings.

use std::collections::BTreeMap;

use unicode_width::UnicodeWidthStr;

use super::Picture;

/// Width of a character of the label's font.
const CHARACTER: f64 = 8.0;
/// Room left and right of a label.
const PADDING: f64 = 16.0;
/// Least width of a box.
const NARROWEST: f64 = 96.0;
/// Height of a box.
pub(crate) const HEIGHT: f64 = 52.0;
/// Room between boxes of a layer.
const BESIDE: f64 = 36.0;
/// Room between layers.
const BETWEEN: f64 = 76.0;
/// Room around all.
const MARGIN: f64 = 28.0;
/// Sweeps against crossings: more change nothing on graphs of this size.
const SWEEPS: usize = 8;

/// A box, or a point that a long edge passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// Centre.
    pub(crate) x: f64,
    /// Upper edge.
    pub(crate) y: f64,
    /// Width; 0 for a point.
    pub(crate) width: f64,
}

/// Where everything stands.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Boxes of the services, in their order.
    pub(crate) boxes: Vec<Place>,
    /// For each edge the points it passes between its boxes, from the one that waits downwards.
    pub(crate) bends: Vec<Vec<(f64, f64)>>,
    /// Size of the drawing.
    pub(crate) size: (f64, f64),
}

/// A node of the layered graph: services first, then points of long edges.
struct Layers {
    rows: Vec<Vec<usize>>,
    widths: Vec<f64>,
    /// Neighbours in the row above and the row below.
    above: BTreeMap<usize, Vec<usize>>,
    below: BTreeMap<usize, Vec<usize>>,
    /// Points of each edge.
    points: Vec<Vec<usize>>,
}

/// Lays a picture out: what waits stands above what it waits for.
pub(crate) fn layout(picture: &Picture) -> Layout {
    let mut layers = Layers::of(picture);
    layers.uncross();
    let centres = layers.centres();
    let row_of: BTreeMap<usize, usize> = layers
        .rows
        .iter()
        .enumerate()
        .flat_map(|(row, nodes)| nodes.iter().map(move |node| (*node, row)))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "rows are few")]
    let y = |node: usize| MARGIN + row_of.get(&node).copied().unwrap_or(0) as f64 * (HEIGHT + BETWEEN);
    let boxes: Vec<Place> = (0..picture.nodes.len())
        .map(|node| Place { x: centres[node], y: y(node), width: layers.widths[node] })
        .collect();
    let bends = layers
        .points
        .iter()
        .map(|points| points.iter().map(|point| (centres[*point], y(*point) + HEIGHT / 2.0)).collect())
        .collect();
    let right = (0..layers.widths.len())
        .map(|node| centres[node] + layers.widths[node] / 2.0)
        .fold(NARROWEST, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "rows are few")]
    let rows = layers.rows.len().max(1) as f64;
    Layout { boxes, bends, size: (right + MARGIN, 2.0 * MARGIN + rows * HEIGHT + (rows - 1.0) * BETWEEN) }
}

/// Returns the width of a box around a service's words.
fn width(picture: &Picture, node: usize) -> f64 {
    let node = &picture.nodes[node];
    #[expect(clippy::cast_precision_loss, reason = "labels are short")]
    let widest = (node.name.width() as f64).max(super::svg::detail(node).width() as f64 * 0.8);
    (widest * CHARACTER + 2.0 * PADDING).max(NARROWEST)
}

impl Layers {
    fn of(picture: &Picture) -> Self {
        let count = picture.nodes.len();
        // The order has what is waited for first: from the end, each stands below all that wait for it.
        let mut depth = vec![0_usize; count];
        for node in (0..count).rev() {
            for edge in picture.dependencies(node) {
                depth[edge.to] = depth[edge.to].max(depth[node] + 1);
            }
        }
        let mut layers = Self {
            rows: vec![Vec::new(); depth.iter().max().map_or(0, |deepest| deepest + 1)],
            widths: (0..count).map(|node| width(picture, node)).collect(),
            above: BTreeMap::new(),
            below: BTreeMap::new(),
            points: Vec::new(),
        };
        for (node, depth) in depth.iter().enumerate() {
            layers.rows[*depth].push(node);
        }
        for edge in &picture.edges {
            let mut points = Vec::new();
            let mut from = edge.from;
            for row in depth[edge.from] + 1..depth[edge.to] {
                let point = layers.widths.len();
                layers.widths.push(0.0);
                layers.rows[row].push(point);
                layers.join(from, point);
                points.push(point);
                from = point;
            }
            layers.join(from, edge.to);
            layers.points.push(points);
        }
        layers
    }

    fn join(&mut self, upper: usize, lower: usize) {
        self.below.entry(upper).or_default().push(lower);
        self.above.entry(lower).or_default().push(upper);
    }

    /// Orders each row by the middle of its neighbours, downwards and upwards in turn.
    fn uncross(&mut self) {
        for sweep in 0..SWEEPS {
            let downwards = sweep % 2 == 0;
            let count = self.rows.len();
            for step in 1..count {
                let row = if downwards { step } else { count - 1 - step };
                let fixed = &self.rows[if downwards { row - 1 } else { row + 1 }];
                let place: BTreeMap<usize, usize> = fixed.iter().enumerate().map(|(at, node)| (*node, at)).collect();
                let neighbours = if downwards { &self.above } else { &self.below };
                let mut keyed: Vec<(f64, usize, usize)> = self.rows[row]
                    .iter()
                    .enumerate()
                    .map(|(at, node)| {
                        let places: Vec<usize> =
                            neighbours.get(node).into_iter().flatten().filter_map(|other| place.get(other).copied()).collect();
                        #[expect(clippy::cast_precision_loss, reason = "rows are short")]
                        let middle = if places.is_empty() {
                            at as f64
                        } else {
                            places.iter().sum::<usize>() as f64 / places.len() as f64
                        };
                        (middle, at, *node)
                    })
                    .collect();
                keyed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
                self.rows[row] = keyed.into_iter().map(|(_, _, node)| node).collect();
            }
        }
    }

    /// Gives every node a centre: rows are packed, then pulled towards their neighbours as far as there is room.
    fn centres(&self) -> Vec<f64> {
        let mut centres = vec![0.0; self.widths.len()];
        for row in &self.rows {
            let mut left = 0.0;
            for node in row {
                centres[*node] = left + self.widths[*node] / 2.0;
                left += self.widths[*node] + BESIDE;
            }
        }
        for sweep in 0..SWEEPS {
            let neighbours = if sweep % 2 == 0 { &self.above } else { &self.below };
            for row in &self.rows {
                let wish: Vec<f64> = row
                    .iter()
                    .map(|node| {
                        let others: Vec<f64> = neighbours.get(node).into_iter().flatten().map(|it| centres[*it]).collect();
                        #[expect(clippy::cast_precision_loss, reason = "neighbours are few")]
                        let middle = if others.is_empty() {
                            centres[*node]
                        } else {
                            others.iter().sum::<f64>() / others.len() as f64
                        };
                        middle
                    })
                    .collect();
                self.place(row, &wish, &mut centres);
            }
        }
        let least = (0..centres.len()).map(|node| centres[node] - self.widths[node] / 2.0).fold(f64::INFINITY, f64::min);
        let shift = if least.is_finite() { MARGIN - least } else { MARGIN };
        centres.iter().map(|centre| centre + shift).collect()
    }

    /// Fulfils the wishes of a row without overlap: the mean of the leftmost and the rightmost packing.
    fn place(&self, row: &[usize], wish: &[f64], centres: &mut [f64]) {
        let gap = |one: usize, other: usize| (self.widths[row[one]] + self.widths[row[other]]) / 2.0 + BESIDE;
        let mut right = wish.to_vec();
        for at in 1..row.len() {
            right[at] = right[at].max(right[at - 1] + gap(at - 1, at));
        }
        let mut left = wish.to_vec();
        for at in (0..row.len().saturating_sub(1)).rev() {
            left[at] = left[at].min(left[at + 1] - gap(at, at + 1));
        }
        for (at, node) in row.iter().enumerate() {
            centres[*node] = f64::midpoint(left[at], right[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::picture;

    #[test]
    fn boxes_do_not_overlap_and_edges_go_down() {
        let picture = picture();
        let layout = layout(&picture);
        for (one, a) in layout.boxes.iter().enumerate() {
            for b in &layout.boxes[one + 1..] {
                let apart = (a.x - b.x).abs() >= (a.width + b.width) / 2.0;
                assert!((a.y - b.y).abs() >= HEIGHT || apart, "{a:?} {b:?}");
            }
            assert!(a.x - a.width / 2.0 >= MARGIN - 0.001 && a.x + a.width / 2.0 <= layout.size.0, "{a:?}");
        }
        for edge in &picture.edges {
            assert!(layout.boxes[edge.from].y < layout.boxes[edge.to].y);
        }
    }
}
