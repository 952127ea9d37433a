//! Who a container runs as: names and ids against the image's own `/etc/passwd` and `/etc/group`.
//!
//! Source: Docker's documentation of `USER` and `--group-add`; passwd(5), group(5).

use std::str;

use rcompose_engine_adapter::{EngineError, ErrorKind, Result};

use super::invalid;

/// Who a container runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The supplementary groups, that of `gid` first.
    pub(crate) groups: Vec<u32>,
    /// Home folder; `/` for somebody who has no entry.
    pub(crate) home: String,
}

/// Longest line that counts; a longer one is no entry.
const MOST_LINE: usize = 64 << 10;
/// Highest id, as Docker takes them.
const MOST_ID: u32 = i32::MAX.cast_unsigned();

/// An entry of `/etc/passwd`.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// An entry of `/etc/group`.
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Resolves `user[:group]` (empty: user 0) and further groups; a file that is not there is given empty.
///
/// # Errors
/// [`ErrorKind::Invalid`]: a name has no entry, or an id is out of range.
pub(crate) fn resolve(user: &str, group_add: &[String], passwd: &[u8], group: &[u8]) -> Result<User> {
    let mut words = user.split(':');
    let (who, which) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let account = account(who, passwd)?;
    let mut found = User { uid: account.uid, gid: account.gid, groups: Vec::new(), home: account.home.to_owned() };
    let mut further: Vec<u32> = Vec::new();
    if which.is_empty() {
        let of_member = |it: &Group<'_>| !account.name.is_empty() && it.members.split(',').any(|member| member == account.name);
        further.extend(groups(group).filter(of_member).map(|it| it.gid));
    } else {
        found.gid = gid(which, group)?;
    }
    for name in group_add {
        further.push(gid(name, group)?);
    }
    found.groups.push(found.gid);
    for gid in further {
        if !found.groups.contains(&gid) {
            found.groups.push(gid);
        }
    }
    Ok(found)
}

/// Finds the first entry by name or id; an id needs none.
fn account<'a>(who: &'a str, passwd: &'a [u8]) -> Result<Account<'a>> {
    let number = if who.is_empty() { Some(0) } else { id(who)? };
    let found = accounts(passwd).find(|it| (!who.is_empty() && it.name == who) || number == Some(it.uid));
    match (found, number) {
        (Some(account), _) => Ok(account),
        (None, Some(uid)) => Ok(Account { name: "", uid, gid: 0, home: "/" }),
        (None, None) => Err(missing("user", who, "passwd")),
    }
}

fn gid(which: &str, group: &[u8]) -> Result<u32> {
    let number = id(which)?;
    let found = groups(group).find(|it| it.name == which || number == Some(it.gid));
    found.map(|it| it.gid).or(number).ok_or_else(|| missing("group", which, "group"))
}

fn missing(what: &str, name: &str, file: &str) -> EngineError {
    EngineError::new(ErrorKind::Invalid, format!("unable to find {what} {name}: the image's /etc/{file} has no such entry"))
}

/// Reads an id; `None` where the text is a name.
fn id(text: &str) -> Result<Option<u32>> {
    match text.parse::<i64>() {
        Err(_) => Ok(None),
        Ok(number) => match u32::try_from(number).ok().filter(|it| *it <= MOST_ID) {
            Some(id) => Ok(Some(id)),
            None => Err(invalid(format!("{text} is no user or group: ids are 0 to {MOST_ID}"))),
        },
    }
}

fn accounts(passwd: &[u8]) -> impl Iterator<Item = Account<'_>> {
    lines(passwd).filter_map(|line| {
        let mut words = line.split(':');
        let (name, _, uid, gid) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let home = words.nth(1).filter(|it| !it.is_empty()).unwrap_or("/");
        Some(Account { name, uid: uid.parse().ok()?, gid: gid.parse().ok()?, home })
    })
}

fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let mut words = line.split(':');
        let (name, _, gid) = (words.next()?, words.next()?, words.next()?);
        Some(Group { name, gid: gid.parse().ok()?, members: words.next().unwrap_or_default() })
    })
}

/// Lines that may be entries; an image may hold any bytes, and what is no entry does not count.
fn lines(file: &[u8]) -> impl Iterator<Item = &str> {
    let lines = file.split(|byte| *byte == b'\n').filter(|line| line.len() <= MOST_LINE);
    lines
        .filter_map(|line| str::from_utf8(line).ok())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"# people\nroot:x:0:0:root:/root:/bin/sh\nbroken\nbad:x:zero:0::/:\ndaemon:x:1:2::/sbin:\n\xff\xfe:x:3:3::/:\n1000:x:7:8::/seven:\nnobody:x:65534:65534:::\n";
    const GROUP: &[u8] = b"root:x:0:root\nbin:x:1:root,daemon\naudio:x:29:\ndaemon:x:2:\nwheel:x:10:root\n";

    fn found(user: &str, add: &[&str]) -> Result<(u32, u32, Vec<u32>, String)> {
        let add: Vec<String> = add.iter().map(|it| (*it).to_owned()).collect();
        resolve(user, &add, PASSWD, GROUP).map(|it| (it.uid, it.gid, it.groups, it.home))
    }

    #[test]
    fn names_and_ids_are_found_as_docker_finds_them() {
        let cases = [
            ("", &[] as &[&str], (0, 0, vec![0, 1, 10], "/root")),
            ("root", &["audio", "77"], (0, 0, vec![0, 1, 10, 29, 77], "/root")),
            ("daemon", &[], (1, 2, vec![2, 1], "/sbin")),
            ("1", &[], (1, 2, vec![2, 1], "/sbin")),
            ("daemon:audio", &[], (1, 29, vec![29], "/sbin")),
            ("daemon:", &[], (1, 2, vec![2, 1], "/sbin")),
            ("5:6", &["6"], (5, 6, vec![6], "/")),
            ("5", &[], (5, 0, vec![0], "/")),
            // A name made of digits comes before the id.
            ("1000", &[], (7, 8, vec![8], "/seven")),
            ("nobody:audio:more", &[], (65534, 29, vec![29], "/")),
        ];
        for (user, add, (uid, gid, groups, home)) in cases {
            assert_eq!(found(user, add).unwrap(), (uid, gid, groups, home.to_owned()), "{user}");
        }
    }

    #[test]
    fn what_cannot_be_found_is_named() {
        for (user, add, text) in [
            ("alice", &[] as &[&str], "unable to find user alice"),
            ("bad", &[], "unable to find user bad"),
            ("root:staff", &[], "unable to find group staff"),
            ("root", &["staff"], "unable to find group staff"),
            ("-1", &[], "-1"),
            ("4294967295", &[], "4294967295"),
            ("0:2147483648", &[], "2147483648"),
        ] {
            let error = found(user, add).unwrap_err();
            assert!(error.kind == ErrorKind::Invalid && error.message.contains(text), "{user}: {error}");
        }
    }

    #[test]
    fn a_line_without_end_is_no_entry() {
        let mut passwd = vec![b'a'; MOST_LINE];
        passwd.extend_from_slice(b":x:1:1::/:\nb:x:2:2::/b:");
        assert_eq!(resolve("b", &[], &passwd, b"").unwrap().home, "/b");
        assert!(resolve(&"a".repeat(MOST_LINE), &[], &passwd, b"").is_err());
    }
}
