//! `config` as YAML.

use super::RenderOptions;
use super::ordered::{Map, Value, document, raw};
use crate::Loaded;
use crate::tree::{Node, Value as Tree};

/// Writes a project as YAML, in the order of docker compose's model.
#[must_use]
pub fn yaml(loaded: &Loaded, options: &RenderOptions) -> String {
    let mut value = Value::Map(if options.no_interpolate {
        raw(loaded)
    } else {
        let mut document = document(loaded);
        for (key, section) in &mut document {
            let root = loaded.origins.root().and_then(|root| root.get(key));
            tidy(section, root, &[key]);
        }
        document
    });
    if !options.no_interpolate {
        value.escape();
    }
    let mut text = String::new();
    if let Value::Map(map) = &value {
        block_map(map, 0, &mut text);
    }
    text
}

/// Makes the JSON form that of YAML: no empty structures, `x-*` back in place, lower-case keys.
fn tidy(value: &mut Value, node: Option<&Node>, path: &[&str]) {
    match value {
        Value::List(list) => {
            for (index, item) in list.iter_mut().enumerate() {
                let node = node.and_then(Node::as_list).and_then(|list| list.get(index));
                let mut path = path.to_vec();
                path.push("[]");
                tidy(item, node, &path);
            }
            // `a=1` and `a:1` are one line twice, which a list of hosts may not have.
            if let [.., "extra_hosts"] = path {
                list.dedup();
            }
        }
        Value::Map(map) => {
            for (key, item) in map.iter_mut() {
                let mut path = path.to_vec();
                path.push(key);
                tidy(item, node.and_then(|node| node.get(key)), &path);
            }
            map.retain(|key, item| !is_absent(item, path, key));
            restore(map, node, path);
        }
        Value::Text(text) => {
            if let ["services", _, "build", "ssh", "[]"] = path {
                *text = text.replacen('=', ": ", 1);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    // A limit of nothing is left out of the JSON form as two numbers that are not there; read again, they would be missed.
    if let (["services", _, "ulimits", _], Value::Map(map)) = (path, &*value)
        && map.is_empty()
    {
        *value = Value::Number("0".to_owned());
    }
    // JSON has no such numbers, and `null` would be refused when read again.
    if let ([.., "cpus"], Value::Null, Some(text)) = (path, &*value, node.and_then(no_number)) {
        *value = Value::Number(text.to_owned());
    }
    // Sizes are texts, but the one for no limit is understood as a number only.
    if let (["services", _, "mem_limit" | "mem_reservation" | "memswap_limit" | "shm_size"], Value::Text(text)) = (path, &mut *value)
        && text.starts_with('-')
    {
        *value = Value::Number(std::mem::take(text));
    }
}

/// Puts back what the JSON form of a structure leaves out, or writes otherwise.
fn restore(map: &mut Map, node: Option<&Node>, path: &[&str]) {
    if let ["services", _, "blkio_config", ..] = path {
        let old = std::mem::take(map);
        map.extend(old.into_iter().map(|(key, item)| (key.to_lowercase(), item)));
    }
    // The JSON form leaves a refusal out; read again, it would mean that nothing was said.
    if let ([.., "volumes", "[]", "bind"], Some(Tree::Bool(false))) = (path, refusal(node)) {
        map.insert("create_host_path".to_owned(), Value::Bool(false));
    }
    // Left out of the JSON form as nothing, but a port without a target is refused.
    if let ["services", _, "ports", "[]"] = path
        && !map.contains_key("target")
    {
        map.insert("target".to_owned(), Value::Number("0".to_owned()));
    }
    // As good as left out, it would be the project's folder when read again.
    if path.len() == 3 && path[2] == "build" && node.and_then(|node| node.get("context")).and_then(Node::as_str) == Some("") {
        map.insert("context".to_owned(), Value::Text(String::new()));
    }
    // The keys of these are the user's own, so `x-` has no meaning in them.
    let free = matches!(path, ["services" | "networks" | "volumes" | "secrets" | "configs" | "models"])
        || matches!(path, ["services", _, "environment" | "labels" | "annotations" | "sysctls" | "depends_on" | "networks"]);
    if let (false, Some(Tree::Map(source))) = (free, node.map(|node| &node.value)) {
        for (key, entry) in source {
            if key.starts_with("x-") && !map.contains_key(key) {
                map.insert(key.to_owned(), Value::of_tree(&entry.node));
            }
        }
    }
}

/// How YAML writes a number that is none, or beyond all.
fn no_number(node: &Node) -> Option<&'static str> {
    let value = match &node.value {
        Tree::Float(value) => *value,
        Tree::Str(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    match value {
        _ if value.is_nan() => Some(".nan"),
        // The model has 32 bits for them.
        #[expect(clippy::cast_possible_truncation, reason = "what is beyond becomes infinite, which is asked")]
        _ if (value as f32).is_infinite() => Some(if value > 0.0 { ".inf" } else { "-.inf" }),
        _ => None,
    }
}

fn refusal(bind: Option<&Node>) -> Option<&Tree> {
    bind?.get("create_host_path").map(|node| &node.value)
}

/// Structures that the JSON form shows even when empty.
fn is_absent(value: &Value, path: &[&str], key: &str) -> bool {
    let empty = matches!(value, Value::Map(map) if map.is_empty());
    match (path, key) {
        (["services", _], "command" | "entrypoint") | ([.., "exec"], "command") => *value == Value::Null,
        (["services", _, "post_start" | "pre_stop" | "pre_start", "[]"], "command") => *value == Value::Null,
        (["networks", _], "ipam") | (["services", _, "deploy"], "resources" | "placement") => empty,
        (["services", _, "develop", "watch", "[]"], "exec") => empty,
        _ => false,
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Bytes of a key that may stand before a colon; a longer one is marked by `?`, as Go's yaml does. YAML allows 1024.
const SIMPLE: usize = 128;

/// Whether a key must be marked: it is long, or has several lines, which cannot stand before a colon.
fn is_complex(key: &str) -> bool {
    key.len() > SIMPLE || key.contains('\n')
}

fn block_map(map: &Map, depth: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first key of a mapping in a list stands behind the dash, that of one below a marked key behind the colon.
        if index > 0 || !(out.ends_with("- ") || out.ends_with(": ")) {
            indent(depth, out);
        }
        let complex = is_complex(key);
        if complex {
            out.push_str("? ");
            scalar(key, depth, out);
            out.push('\n');
            indent(depth, out);
        } else {
            scalar(key, depth, out);
        }
        out.push(':');
        match value {
            Value::Map(map) if complex && !map.is_empty() => {
                out.push(' ');
                block_map(map, depth + 1, out);
            }
            value => entry(value, depth, out),
        }
    }
}

/// Writes what follows the colon of a key.
fn entry(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            out.push('\n');
            block_map(map, depth + 1, out);
        }
        Value::List(list) if !list.is_empty() => {
            out.push('\n');
            block_list(list, depth + 1, out);
        }
        value => {
            out.push(' ');
            inline(value, depth, out);
            out.push('\n');
        }
    }
}

fn block_list(list: &[Value], depth: usize, out: &mut String) {
    for item in list {
        indent(depth, out);
        out.push_str("- ");
        match item {
            Value::Map(map) if !map.is_empty() => block_map(map, depth + 1, out),
            Value::List(list) if !list.is_empty() => {
                out.truncate(out.len() - 1);
                out.push('\n');
                block_list(list, depth + 1, out);
            }
            item => {
                inline(item, depth, out);
                out.push('\n');
            }
        }
    }
}

fn inline(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(text) => out.push_str(text),
        Value::Text(text) => scalar(text, depth, out),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

/// Writes a text plain if it reads back as that text, else quoted; several lines as a block.
fn scalar(text: &str, depth: usize, out: &mut String) {
    if can_be_block(text) {
        let chomping = match (text.ends_with('\n'), text.ends_with("\n\n")) {
            (false, _) => "-",
            (true, false) => "",
            (true, true) => "+",
        };
        out.push('|');
        if text.starts_with([' ', '\n']) {
            out.push('2');
        }
        out.push_str(chomping);
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            out.push('\n');
            if !line.is_empty() {
                indent(depth + 1, out);
                out.push_str(line);
            }
        }
    } else if is_plain(text) {
        out.push_str(text);
    } else if text.chars().any(|c| c.is_control() || is_special(c)) || is_reserved(text) {
        double_quoted(text, out);
    } else {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    }
}

fn can_be_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || is_special(c))
        && !text.split('\n').any(|line| line.ends_with([' ', '\t']))
        && !text.starts_with([' ', '\n', '\t'])
        || text.len() > 1 && text.ends_with('\n') && is_plain(text.trim_end_matches('\n')) && !text.ends_with("\n\n")
}

fn is_special(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Texts that a YAML reader would take for another type.
fn is_reserved(text: &str) -> bool {
    let old_boolean = matches!(
        text,
        "y" | "Y" | "yes" | "Yes" | "YES" | "n" | "N" | "no" | "No" | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF"
    );
    text.is_empty() || old_boolean || text == "<<" || !matches!(crate::yaml::resolve(text), Tree::Str(_)) || is_sexagesimal(text)
}

/// Digits with colons were numbers to base 60 once.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    !rest.is_empty()
        && digits(first)
        && rest.iter().all(|part| {
            let whole = part.split('.').next().unwrap_or_default();
            digits(whole) && whole.len() <= 2 && whole.parse::<u8>().is_ok_and(|n| n < 60)
        })
}

fn is_plain(text: &str) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let starts_badly = matches!(
        first,
        '!' | '&' | '*' | '{' | '}' | '[' | ']' | ',' | '#' | '|' | '>' | '@' | '`' | '"' | '\'' | '%' | ' ' | '\t'
    ) || (matches!(first, '-' | '?' | ':') && text.chars().nth(1).is_none_or(char::is_whitespace))
        || text.starts_with("---")
        || text.starts_with("...")
        || text == "<<";
    !starts_badly
        && !is_reserved(text)
        && !text.ends_with([' ', ':', '\t'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains(":\t")
        && !text.contains("\t#")
        && !text.chars().any(|c| c.is_control() || is_special(c))
}

fn double_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || is_special(c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
