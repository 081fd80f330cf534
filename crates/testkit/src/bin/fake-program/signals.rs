//! Signals: named, ignored, raised, waited for.

use std::io;
use std::time::Duration;

/// Gives the number of a signal named without `SIG`.
pub(crate) fn number(name: &str) -> Option<i32> {
    Some(match name {
        "ABRT" => libc::SIGABRT,
        "HUP" => libc::SIGHUP,
        "INT" => libc::SIGINT,
        "KILL" => libc::SIGKILL,
        "PIPE" => libc::SIGPIPE,
        "QUIT" => libc::SIGQUIT,
        "SEGV" => libc::SIGSEGV,
        "STOP" => libc::SIGSTOP,
        "TERM" => libc::SIGTERM,
        "USR1" => libc::SIGUSR1,
        "USR2" => libc::SIGUSR2,
        _ => return None,
    })
}

/// Ignores a signal; children inherit that.
pub(crate) fn ignore(signal: i32) {
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Sends the process a signal with its default effect, without a core file.
pub(crate) fn raise(signal: i32) -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: plain system calls on this process; SIG_DFL runs no code of ours.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    Ok(())
}

/// Ends the process by SIGALRM after so long, in whole seconds.
pub(crate) fn end_after(time: Duration) {
    let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    // SAFETY: plain system calls on this process; SIG_DFL runs no code of ours.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(seconds);
    }
}

/// Waits for ever.
pub(crate) fn hold() -> ! {
    loop {
        // SAFETY: takes nothing, changes nothing.
        unsafe { libc::pause() };
    }
}

/// Calls `then` at every SIGWINCH, for ever.
pub(crate) fn at_every_resize(mut then: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: the set is initialised by sigemptyset before anything reads it; the process has one thread.
    let set = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGWINCH);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    };
    loop {
        then()?;
        let mut signal = 0;
        // SAFETY: both pointers are to live locals.
        if unsafe { libc::sigwait(&set, &mut signal) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
}
