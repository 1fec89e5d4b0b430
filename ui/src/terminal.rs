//! The terminal while the screen uses it: set up, drawn on, and restored.

use std::{
    io::{self, BufWriter, Stdout, Write, stdout},
    os::fd::AsFd,
    panic::{self, PanicHookInfo},
    sync::Arc,
};

use crossterm::{
    cursor, event, execute,
    style::Print,
    terminal::{self, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen},
};
use ratatui::buffer::Buffer;

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::Signal,
};

use crate::{
    pacing::QUESTION,
    painter::Painter,
    theme::Depth,
    wake::{Mailbox, Wake},
};

/// The terminal in raw mode, on its alternate screen. Dropping this value restores the terminal.
pub struct Terminal {
    painter: Painter<BufWriter<Patient<Stdout>>>,
    mouse: bool,
}

impl Terminal {
    /// Sets the terminal up; `mouse` is whether it sends moves of the mouse.
    ///
    /// # Errors
    /// If the terminal cannot be set up; it is restored in that case.
    pub fn enter(depth: Depth, mouse: bool) -> io::Result<Self> {
        // crossterm obeys NO_COLOR unless it is told otherwise, which is needed where the setting asks for
        // colours all the same. Without colours it is left alone, and writes none.
        crossterm::style::force_color_output(depth != Depth::None);
        let entered = enter(mouse);
        if let Err(error) = entered {
            restore();
            return Err(error);
        }
        // Frames are written in one piece.
        let painter = Painter::new(BufWriter::with_capacity(64 * 1024, Patient(stdout())));
        Ok(Self { painter, mouse })
    }

    /// Rings the bell.
    ///
    /// # Errors
    /// If the terminal cannot be written.
    pub fn ring(&mut self) -> io::Result<()> {
        execute!(Patient(stdout()), Print('\x07'))
    }

    /// Sets the title of the terminal's window; it is given back on leaving, where the terminal remembers it.
    ///
    /// # Errors
    /// If the terminal cannot be written.
    pub fn set_title(&mut self, title: &str) -> io::Result<()> {
        execute!(Patient(stdout()), Print(format_args!("\x1b]2;{title}\x1b\\")))
    }

    /// Forgets what is on the screen: the next frame is drawn in full.
    pub fn forget(&mut self) {
        self.painter.forget();
    }

    /// Shows a frame, and returns how many bytes were written for it.
    ///
    /// # Errors
    /// If the terminal cannot be written.
    pub fn show(&mut self, frame: Buffer) -> io::Result<usize> {
        self.painter.show(frame)
    }

    /// Asks where the cursor is. The terminal answers after it has shown everything that was written before.
    ///
    /// # Errors
    /// If the terminal cannot be written.
    pub fn ask(&mut self) -> io::Result<()> {
        execute!(Patient(stdout()), Print(QUESTION))
    }

    /// Restores the terminal and suspends the program; returns when the program is continued.
    ///
    /// # Errors
    /// If the terminal cannot be entered again.
    pub fn suspend(&mut self, stopping: Stopping) -> io::Result<()> {
        restore();
        // SIGTSTP has a handler of ours, so the program is stopped by SIGSTOP, which cannot be caught.
        match stopping {
            Stopping::Job => rustix::process::kill_current_process_group(Signal::STOP)?,
            Stopping::Program => rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)?,
        }
        self.reenter()
    }

    /// Makes the terminal ours again, whatever modes others left it in; the next frame is drawn in full.
    ///
    /// # Errors
    /// If the terminal cannot be entered.
    pub fn reenter(&mut self) -> io::Result<()> {
        // crossterm believes that the terminal is raw still, and would leave it as it is.
        terminal::disable_raw_mode()?;
        enter(self.mouse)?;
        self.forget();
        Ok(())
    }
}

/// Which processes are suspended with the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// The whole foreground job, as it would be if the terminal itself had seen Ctrl-Z.
    Job,
    /// Only this program, to which the signal was sent.
    Program,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    execute!(
        Patient(stdout()),
        EnterAlternateScreen,
        Print(REMEMBER_TITLE),
        event::EnableBracketedPaste,
        cursor::Hide
    )?;
    if mouse { execute!(Patient(stdout()), event::EnableMouseCapture) } else { Ok(()) }
}

/// The sequences that put the window's title on a stack that the terminal keeps, and take it back from there.
const REMEMBER_TITLE: &str = "\x1b[22;2t";
const RECALL_TITLE: &str = "\x1b[23;2t";

/// Restores the terminal, whatever state it is in. Errors are ignored, because they cannot be reported.
///
/// Everything is undone by itself, synchronized output first: a frame that was cut short would
/// leave the terminal waiting for its end.
fn restore() {
    let _ = execute!(
        Patient(stdout()),
        EndSynchronizedUpdate,
        event::DisableMouseCapture,
        event::DisableBracketedPaste,
        Print(RECALL_TITLE),
        LeaveAlternateScreen,
        crossterm::style::ResetColor,
        cursor::Show
    );
    let _ = terminal::disable_raw_mode();
}

/// A writer that waits and writes again if a write would block. Another program may have made standard output
/// non-blocking; a write then fails while the reader's buffer is full.
struct Patient<W: Write + AsFd>(W);

impl<W: Write + AsFd> Patient<W> {
    fn until_done<T>(&mut self, write: impl Fn(&mut W) -> io::Result<T>) -> io::Result<T> {
        loop {
            match write(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            match poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<W: Write + AsFd> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_done(|inner| inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.until_done(Write::flush)
    }
}

/// Until it is dropped, a panic on any thread restores the terminal before the panic is reported, so that the report
/// can be read, and then ends the screen.
pub struct PanicGuard {
    before: Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>,
}

impl PanicGuard {
    pub fn new(mailbox: Arc<Mailbox>) -> Self {
        let before: Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync> = Arc::from(panic::take_hook());
        let report = Arc::clone(&before);
        panic::set_hook(Box::new(move |panic| {
            restore();
            report(panic);
            mailbox.put(Wake::Terminated);
        }));
        Self { before }
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        // The panic hook cannot be changed by a thread that is panicking.
        if !std::thread::panicking() {
            let before = Arc::clone(&self.before);
            panic::set_hook(Box::new(move |panic| before(panic)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, OpenOptions},
        os::fd::BorrowedFd,
    };

    use super::*;

    /// Takes a few bytes every other time, and says "again" in between.
    struct Hesitant {
        null: File,
        refuses: bool,
        taken: Vec<u8>,
    }

    impl Write for Hesitant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.flush()?;
            let taken = bytes.len().min(3);
            self.taken.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.refuses = !self.refuses;
            if self.refuses { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        }
    }

    impl AsFd for Hesitant {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.null.as_fd() // It can always be written, so waiting for it ends at once.
        }
    }

    #[test]
    fn an_output_that_says_again_is_waited_for() {
        let null = OpenOptions::new().write(true).open("/dev/null").expect("there");
        let mut patient = Patient(Hesitant { null, refuses: false, taken: Vec::new() });
        patient.write_all(b"every byte, in order").and_then(|()| patient.flush()).expect("written");
        assert_eq!(patient.0.taken, b"every byte, in order");
    }
}
