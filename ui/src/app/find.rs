//! Searching the log.

use super::App;

impl App {
    /// Looks for a text from the end of the log upwards.
    pub(super) fn find_in_log(&mut self, text: String) {
        self.places.log.searched = Some(text.to_lowercase());
        self.places.log.found = None;
        self.places.log.behind = 0;
        self.search_log(-1);
    }

    /// Goes to the next line, downwards or upwards (negative), that holds what was searched for.
    pub(super) fn search_log(&mut self, by: isize) {
        let (Some(shown), Some(searched)) = (&self.state.shown, &self.places.log.searched) else {
            return self.warn("nothing was searched for yet");
        };
        let log = &shown.view.log;
        let holds = |line: usize| log[line].text.to_lowercase().contains(searched);
        let bottom = log.len().saturating_sub(1 + self.places.log.behind);
        let here = self.places.log.found.unwrap_or(log.len());
        let found = if by < 0 {
            (0..here.min(log.len())).rev().find(|&line| holds(line))
        } else {
            (here.saturating_add(1)..log.len()).find(|&line| holds(line))
        };
        match found {
            Some(line) => {
                self.places.log.found = Some(line);
                let rows = usize::from(self.size.height).saturating_sub(6).max(1);
                // The line is kept where it is, if it can be seen already.
                if line > bottom || line + rows <= bottom {
                    self.places.log.behind = log.len().saturating_sub(1 + line + rows / 2);
                }
            }
            None => {
                let side = if by < 0 { "above" } else { "below" };
                let text = format!("`{searched}` is not found {side}");
                self.warn(text);
            }
        }
    }
}
