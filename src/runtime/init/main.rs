//! The first process of a container with `init: true`: runs a program, hands signals on, and reaps whatever is left to it.
//!
//! It is a program of its own, without any library, so that it runs in every image and keeps two pages of memory; `build.rs` compiles it,
//! and it is carried in the main program as [`INIT`](../lib.rs). Called as `init -- PROGRAM ARGUMENT…`; its exit status is the program's,
//! 128 and the number of the signal that ended it, 127 if there is none of that name, 126 if it cannot be run.
#![no_std]
#![no_main]
#![no_builtins]

use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

#[cfg(target_arch = "x86_64")]
mod call {
    pub const WRITE: usize = 1;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const IOCTL: usize = 16;
    pub const GETPID: usize = 39;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const SETPGID: usize = 109;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const EXIT_GROUP: usize = 231;
}

#[cfg(target_arch = "aarch64")]
mod call {
    pub const IOCTL: usize = 29;
    pub const WRITE: usize = 64;
    pub const EXIT_GROUP: usize = 94;
    pub const KILL: usize = 129;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const SETPGID: usize = 154;
    pub const GETPID: usize = 172;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
}

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;
const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;
const SIGURG: i32 = 23;
const SIGWINCH: i32 = 28;
const SIG_SETMASK: usize = 2;
const WNOHANG: usize = 1;
const TIOCSPGRP: usize = 0x5410;
const ENOENT: isize = 2;
const ENOEXEC: isize = 8;
const EACCES: isize = 13;
const ENOTDIR: isize = 20;
/// Size in bytes of the kernel's set of signals.
const SET: usize = 8;
/// Most bytes of a path, as the kernel has it.
const PATH_MAX: usize = 4096;

// Where the kernel begins: words and environment are on the stack.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor %ebp, %ebp", "mov %rsp, %rdi", "and $-16, %rsp", "call {}", "ud2", sym begin, options(att_syntax));
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, #0", "mov x30, #0", "mov x0, sp", "bl {}", "brk #0", sym begin);

/// Makes a system call; its result is negative if it failed.
///
/// # Safety
/// As the call.
unsafe fn call(number: usize, words: [usize; 4]) -> isize {
    let [a, b, c, d] = words;
    let result: isize;
    // SAFETY: registers as the ABI of the kernel has them. The fifth is that of `clone` only, which wants none.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") 0,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") 0, options(nostack));
    }
    result
}

fn exit(status: i32) -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { call(call::EXIT_GROUP, [status as usize, 0, 0, 0]) };
    }
}

/// # Safety
/// `stack` is where the kernel put the number of words, the words and the environment.
unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: as the kernel laid it out: a number, as many pointers and a null, and pointers and a null.
    unsafe {
        let count = *stack;
        let words = stack.add(1).cast::<*const u8>().cast_mut();
        let environment = words.add(count + 1).cast_const();
        let first = if count > 1 && is_dashes(*words.add(1)) { 2 } else { 1 };
        if first >= count {
            say(c"rcompose-init: names no program\n".as_ptr().cast());
            exit(127);
        }
        let none = 0u64;
        let all = u64::MAX;
        call(call::RT_SIGPROCMASK, [SIG_SETMASK, (&raw const all).addr(), 0, SET]);
        let child = call(call::CLONE, [SIGCHLD as usize, 0, 0, 0]);
        if child < 0 {
            say(c"rcompose-init: cannot make a process\n".as_ptr().cast());
            exit(126);
        }
        if child == 0 {
            // A group of its own, so that what a terminal sends reaches it once; with the terminal, if there is one. SIGTTOU is held back.
            call(call::SETPGID, [0, 0, 0, 0]);
            let group = call(call::GETPID, [0; 4]) as i32;
            call(call::IOCTL, [0, TIOCSPGRP, (&raw const group).addr(), 0]);
            call(call::RT_SIGPROCMASK, [SIG_SETMASK, (&raw const none).addr(), 0, SET]);
            execute(words.add(first), environment);
        }
        attend(child, &raw const all)
    }
}

/// Hands signals on and reaps until the program has ended.
fn attend(child: isize, all: *const u64) -> ! {
    loop {
        // SAFETY: the set outlives the call; nobody asks for details.
        let signal = unsafe { call(call::RT_SIGTIMEDWAIT, [all.addr(), 0, 0, SET]) } as i32;
        match signal {
            SIGCHLD => loop {
                let mut status = 0i32;
                // SAFETY: the status outlives the call.
                let ended = unsafe { call(call::WAIT4, [usize::MAX, (&raw mut status).addr(), WNOHANG, 0]) };
                if ended <= 0 {
                    break;
                }
                if ended == child {
                    let signal = status & 0x7F;
                    exit(if signal == 0 { status >> 8 & 0xFF } else { 128 + signal });
                }
            },
            SIGPIPE | SIGURG | SIGTTIN | SIGTTOU | SIGWINCH => {}
            // SAFETY: numbers only. One that has ended is not reaped yet, so that the number is still its own.
            1.. => unsafe {
                call(call::KILL, [child as usize, signal as usize, 0, 0]);
            },
            _ => {}
        }
    }
}

/// Becomes the program, which is looked for in `PATH` if its name has no slash.
///
/// # Safety
/// `words` and `environment` end with a null, each other pointer is a text that ends with a zero.
unsafe fn execute(words: *mut *const u8, environment: *const *const u8) -> ! {
    // SAFETY: as the caller promises; `path` has room for what is written.
    unsafe {
        let name = *words;
        let mut failed = ENOENT;
        if has_slash(name) {
            failed = become_file(name, words, environment);
        } else {
            let mut room = MaybeUninit::<[u8; PATH_MAX]>::uninit();
            let path = room.as_mut_ptr().cast::<u8>();
            let mut folders = path_of(environment);
            // No name is that of no file.
            while *name != 0 {
                let mut length = 0;
                while *folders != 0 && *folders != b':' {
                    if length < PATH_MAX {
                        *path.add(length) = *folders;
                        length += 1;
                    }
                    folders = folders.add(1);
                }
                let (folder, mut from) = (length, name);
                if folder > 0 && length < PATH_MAX {
                    *path.add(length) = b'/';
                    length += 1;
                }
                while *from != 0 && length < PATH_MAX {
                    *path.add(length) = *from;
                    length += 1;
                    from = from.add(1);
                }
                if length < PATH_MAX {
                    *path.add(length) = 0;
                    let errno = become_file(path, words, environment);
                    // One that may not be run is told only where no other can be.
                    if errno != ENOENT && errno != ENOTDIR {
                        failed = errno;
                    }
                    if failed != ENOENT && failed != EACCES {
                        break;
                    }
                }
                if *folders == 0 {
                    break;
                }
                folders = folders.add(1);
            }
        }
        say(c"rcompose-init: ".as_ptr().cast());
        say(name);
        match failed {
            ENOENT | ENOTDIR => say(c": not found\n".as_ptr().cast()),
            EACCES => say(c": permission denied\n".as_ptr().cast()),
            _ => say(c": cannot be run\n".as_ptr().cast()),
        }
        exit(if failed == ENOENT || failed == ENOTDIR { 127 } else { 126 })
    }
}

/// Becomes the program of a file, or the shell with it where it is of no known format, as execvp(3). Returns why not.
///
/// # Safety
/// As [`execute`]; in front of `words` is another pointer, which nobody needs any more.
unsafe fn become_file(path: *const u8, words: *mut *const u8, environment: *const *const u8) -> isize {
    // SAFETY: as the caller promises.
    unsafe {
        let failed = -call(call::EXECVE, [path.addr(), words.addr(), environment.addr(), 0]);
        if failed == ENOEXEC {
            let shell = c"/bin/sh".as_ptr().cast::<u8>();
            let with_shell = words.sub(1);
            *with_shell = shell;
            *words = path;
            call(call::EXECVE, [shell.addr(), with_shell.addr(), environment.addr(), 0]);
        }
        failed
    }
}

/// # Safety
/// As [`execute`].
unsafe fn path_of(mut environment: *const *const u8) -> *const u8 {
    // SAFETY: as the caller promises.
    unsafe {
        while !(*environment).is_null() {
            let mut text = *environment;
            let mut key = c"PATH=".as_ptr().cast::<u8>();
            while *key != 0 && *key == *text {
                (key, text) = (key.add(1), text.add(1));
            }
            if *key == 0 {
                return text;
            }
            environment = environment.add(1);
        }
    }
    c"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".as_ptr().cast()
}

/// # Safety
/// The text ends with a zero.
unsafe fn has_slash(mut text: *const u8) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        while *text != 0 {
            if *text == b'/' {
                return true;
            }
            text = text.add(1);
        }
    }
    false
}

/// # Safety
/// The text ends with a zero.
unsafe fn is_dashes(text: *const u8) -> bool {
    // SAFETY: as the caller promises; each is read only after the one before it was no zero.
    unsafe { *text == b'-' && *text.add(1) == b'-' && *text.add(2) == 0 }
}

/// # Safety
/// The text ends with a zero.
unsafe fn say(text: *const u8) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut length = 0;
        while *text.add(length) != 0 {
            length += 1;
        }
        call(call::WRITE, [2, text.addr(), length, 0]);
    }
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(255)
}
