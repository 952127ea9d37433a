//! Tables and numbers, in the forms of docker's commands.

use unicode_width::UnicodeWidthStr;

/// Lays rows out in columns, three blanks apart, as docker's `tabwriter` does (`minimum` is the least width of a column).
pub(crate) fn table(rows: &[Vec<String>], minimum: usize, gap: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let widest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
        (widest + gap).max(minimum)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                text.push_str(&" ".repeat(widths[column].saturating_sub(cell.width())));
            }
        }
        text.push('\n');
    }
    text
}

/// Writes a size as docker does: decimal units, four digits. Source: `docker/go-units` `HumanSize`.
pub(crate) fn size(bytes: u64) -> String {
    size_in(bytes, 4)
}

/// As [`size`], with so many digits.
pub(crate) fn size_in(bytes: u64, digits: usize) -> String {
    scaled(bytes, 1000.0, digits, &["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
}

/// Writes a size in binary units with four digits. Source: `docker/go-units` `BytesSize`.
pub(crate) fn binary_size(bytes: u64) -> String {
    scaled(bytes, 1024.0, 4, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"])
}

fn scaled(bytes: u64, base: f64, digits: usize, units: &[&str]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let before = match value {
        value if value < 10.0 => 1,
        value if value < 100.0 => 2,
        value if value < 1000.0 => 3,
        _ => 4,
    };
    let number = format!("{value:.0$}", digits.saturating_sub(before));
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        &number
    };
    format!("{number}{}", units[unit])
}

/// Writes a length of time as docker does: `Less than a second`, `3 minutes`, `About an hour`. Source: `docker/go-units`
/// `HumanDuration`.
pub(crate) fn duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".into(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Shortens text to so many characters, the last one being `…`, as docker does.
pub(crate) fn ellipsis(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_four_digits() {
        let cases = [
            (0, "0B"),
            (999, "999B"),
            (1984236, "1.984MB"),
            (1_000_000, "1MB"),
            (12_345_678, "12.35MB"),
            (u64::MAX, "18.45EB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
        assert_eq!([size_in(1426, 3), size_in(12_345_678, 3), size_in(866, 3)], ["1.43kB", "12.3MB", "866B"]);
        assert_eq!([0, 1023 << 10, 1 << 30, 1_234_567_890].map(binary_size), ["0B", "1023KiB", "1GiB", "1.15GiB"]);
    }

    #[test]
    fn durations_are_rough() {
        let cases = [
            (0, "Less than a second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (179, "2 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (172_800, "2 days"),
            (86_400 * 20, "2 weeks"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["NAME".into(), "PORTS".into()], vec!["shop-web-1".into(), String::new()]];
        assert_eq!(table(&rows, 0, 3), "NAME         PORTS\nshop-web-1   \n");
    }
}
