//! Programs that tests run as containers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) fn run(words: &[&str]) -> i32 {
    match words {
        ["wait-at", gate, program, rest @ ..] => {
            rustix::process::setsid().unwrap();
            let mut byte = [0];
            let mut gate = File::open(gate).unwrap();
            if gate.read(&mut byte).unwrap_or(0) == 0 {
                return 125;
            }
            drop(gate);
            let error = Command::new(program).args(rest).exec();
            eprintln!("{program}: {error}");
            127
        }
        // Numbered lines on both streams, written one by one; so many, and on until a file is there.
        ["count", lines, status, go @ ..] => {
            let (lines, mut number): (u32, u32) = (lines.parse().unwrap(), 0);
            let (out, err) = (std::io::stdout(), std::io::stderr());
            let (mut out, mut err) = (out.lock(), err.lock());
            while number < lines || number % 1000 != 0 || !go.first().is_none_or(|it| std::path::Path::new(it).exists()) {
                out.write_all(format!("{number:08}\n").as_bytes()).unwrap();
                out.flush().unwrap();
                if number % 1000 == 0 {
                    err.write_all(format!("{number:08}\n").as_bytes()).unwrap();
                }
                number += 1;
            }
            out.write_all(b"end\n").unwrap();
            out.flush().unwrap();
            status.parse().unwrap()
        }
        // Which descriptors it was given.
        ["descriptors"] => {
            let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let mut shown: Vec<String> = entries
                .filter_map(|it| Some(format!("{} {}", it.file_name().to_str()?, std::fs::read_link(it.path()).ok()?.display())))
                .collect();
            shown.sort();
            println!("{}", shown.join("\n"));
            0
        }
        other => {
            eprintln!("no such program: {other:?}");
            126
        }
    }
}
