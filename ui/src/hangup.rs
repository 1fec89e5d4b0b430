//! Notices when the terminal goes away or gets another size, and when the program is stopped and goes on.
//!
//! The thread that reads the terminal may be busy, so a separate thread sleeps until the kernel reports a
//! hang-up, and waits for nothing else.

use std::sync::Arc;

use crossterm::event::Event;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH},
    iterator::Signals,
};

use crate::wake::{Mailbox, Wake};

/// Wakes the screen when the terminal behind standard output hangs up. The thread ends with the program.
pub fn watch_terminal(mailbox: Arc<Mailbox>) {
    std::thread::spawn(move || {
        let stdout = rustix::stdio::stdout();
        loop {
            // No events are asked for: hang-up and error are always reported.
            let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) if watched[0].revents().is_empty() => {}
                _ => break,
            }
        }
        mailbox.put(Wake::HungUp);
    });
}

/// Wakes the screen when a signal ends or stops the program (so that the terminal is restored first), lets it go on,
/// or says that the terminal has another size.
///
/// # Errors
/// If the signals cannot be caught.
pub fn watch_signals(mailbox: Arc<Mailbox>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            mailbox.put(match signal {
                SIGHUP => Wake::HungUp,
                SIGTSTP => Wake::Stopped,
                SIGCONT => Wake::Continued,
                SIGWINCH => match crossterm::terminal::size() {
                    Ok((width, height)) => Wake::Terminal(Event::Resize(width, height)),
                    Err(_) => continue,
                },
                _ => Wake::Terminated,
            });
        }
    });
    Ok(())
}
