//! A real terminal with a shell in it: a tmux session without a display, whose screen can be read.

use std::process::Command;

use tempfile::TempDir;

use super::{TestEnv, eventually};

pub(crate) struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// Opens a terminal whose environment variables name this deployment.
    pub(crate) fn open(env: &TestEnv, (width, height): (u16, u16)) -> Self {
        let folder = tempfile::Builder::new().prefix("rq-rs-").tempdir_in("/tmp").unwrap();
        let terminal = Terminal { folder };
        let (width, height) = (width.to_string(), height.to_string());
        let mut start = terminal.tmux();
        start.args(["new-session", "-d", "-x", &width, "-y", &height, "sh"]);
        for name in ["REDIS_URL", "NO_COLOR", "ENV", "TMUX"] {
            start.env_remove(name);
        }
        let started = start.env("LC_ALL", "C.UTF-8").envs(env.environment()).status();
        assert!(started.expect("tmux (sh scripts/setup.sh)").success());
        terminal.expect_shell("opened");
        terminal
    }

    /// Opens a terminal and starts `rq-rs top` in it.
    pub(crate) fn with_top(env: &TestEnv, size: (u16, u16), options: &str) -> Self {
        let terminal = Self::open(env, size);
        terminal.start_top(options);
        terminal
    }

    pub(crate) fn start_top(&self, options: &str) {
        self.line(&format!("{} top --interval 0.25 {options}", env!("CARGO_BIN_EXE_rq-rs")));
        self.wait_for_text("rq-rs top  ");
        eventually("it has the screen", || self.is_on_other_screen());
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("tmux")).args(["-u", "-f", "/dev/null"]);
        command
    }

    #[track_caller]
    fn ask(&self, words: &[&str]) -> String {
        let output = self.tmux().args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Presses keys, by tmux' names: `Enter`, `C-c`.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    /// Types a line into the shell.
    pub(crate) fn line(&self, text: &str) {
        self.ask(&["send-keys", "-l", text]);
        self.keys(&["Enter"]);
    }

    pub(crate) fn resize(&self, (width, height): (u16, u16)) {
        self.ask(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// Text on the screen.
    pub(crate) fn text(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// Text on the screen with colours as escape sequences.
    pub(crate) fn colours(&self) -> String {
        self.ask(&["capture-pane", "-p", "-e"])
    }

    #[track_caller]
    pub(crate) fn wait_for_text(&self, part: &str) -> String {
        let text = std::cell::RefCell::new(String::new());
        let is_seen = || {
            *text.borrow_mut() = self.text();
            text.borrow().contains(part)
        };
        let until = std::time::Instant::now() + super::WAIT_LIMIT;
        while !is_seen() {
            assert!(std::time::Instant::now() < until, "never shows {part:?} but:\n{}", text.borrow());
        }
        text.into_inner()
    }

    #[track_caller]
    pub(crate) fn wait_until_hidden(&self, part: &str) {
        eventually(&format!("{part:?} is hidden"), || !self.text().contains(part));
    }

    pub(crate) fn is_on_other_screen(&self) -> bool {
        self.ask(&["display-message", "-p", "#{alternate_on}"]).trim() == "1"
    }

    /// Checks that the shell works on its own screen, with cursor, line editing and echo.
    #[track_caller]
    pub(crate) fn expect_shell(&self, word: &str) {
        eventually("it is the shell's screen", || !self.is_on_other_screen());
        // Keys typed while the program still reads would be lost with it.
        eventually("the shell reads", || {
            self.ask(&["display-message", "-p", "#{pane_current_command}"]).trim() != "rq-rs"
        });
        // The typed text differs from the output.
        self.line(&format!("echo '{word}'-$((40 + 2)); stty -a | tr ' ' '\\n' | grep -xE '(-?)(icanon|echo|isig)' | paste -sd+"));
        self.wait_for_text(&format!("{word}-42"));
        self.wait_for_text("isig+icanon+echo");
        assert_eq!(self.ask(&["display-message", "-p", "#{cursor_flag}"]).trim(), "1");
        self.line("clear");
    }

    /// Sends a signal to `rq-rs top` in this terminal.
    pub(crate) fn signal(&self, name: &str) {
        let tty = self.ask(&["display-message", "-p", "#{pane_tty}"]);
        let found = Command::new("ps").args(["-o", "pid=,args=", "-t", tty.trim()]).output().unwrap();
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        let line = found.lines().find(|line| line.contains("rq-rs top")).unwrap();
        let pid = line.split_whitespace().next().unwrap();
        assert!(Command::new("kill").args(["-s", name, pid]).status().unwrap().success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").output();
    }
}
