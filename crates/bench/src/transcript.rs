//! Transcripts as Claude Code writes them, of words that occur as often as words do.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Occurs in most of what is said.
pub(crate) const COMMON: &str = "the";
/// Occurs in one of some hundred passages.
pub(crate) const UNCOMMON: &str = "ledger";
/// Occurs in one of some ten thousand passages.
pub(crate) const RARE: &str = "heliotrope";
/// How many words there are.
const WORDS: f64 = 30_000.0;
/// Bytes of the smallest file, and how often at most that is doubled: the largest has 32 MB.
const SMALLEST: (f64, f64) = (16_384.0, 11.0);

/// Is a pile of transcripts, and what is in it.
pub(crate) struct Pile {
    projects: PathBuf,
    files: Vec<PathBuf>,
    chance: Chance,
    /// Bytes of all rows.
    pub(crate) bytes: u64,
    /// Messages that used tokens.
    pub(crate) messages: u64,
}

impl Pile {
    /// Writes so many bytes, in files of very different sizes, below a home directory.
    pub(crate) fn write(home: &Path, bytes: u64) -> anyhow::Result<Self> {
        let mut pile = Self {
            projects: home.join(".claude/projects"),
            files: Vec::new(),
            chance: Chance(0x5eed_5eed_5eed_5eed),
            bytes: 0,
            messages: 0,
        };
        while pile.bytes < bytes {
            let path = pile.next_path();
            let wanted = SMALLEST.0 * (pile.chance.share() * SMALLEST.1).exp2();
            pile.append(&path, (wanted as u64).min(bytes - pile.bytes))?;
            pile.files.push(path);
        }
        Ok(pile)
    }

    /// Appends so many bytes, a share to every fourth file.
    pub(crate) fn grow(&mut self, bytes: u64) -> anyhow::Result<()> {
        let grown: Vec<PathBuf> = self.files.iter().step_by(4).cloned().collect();
        let share = bytes / grown.len() as u64;
        for path in grown {
            self.append(&path, share)?;
        }
        Ok(())
    }

    /// Tells how many files there are.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// Gives the next file's name: every eighth is of a subagent of the session before.
    fn next_path(&mut self) -> PathBuf {
        let number = self.files.len();
        let last = self.files.last().filter(|_| number % 8 == 7);
        match last {
            Some(session) => session
                .with_extension("")
                .join(format!("subagents/agent-{number:08x}.jsonl")),
            None => self
                .projects
                .join(format!("-home-ada-project-{}", number % 20))
                .join(format!("{}.jsonl", self.chance.id())),
        }
    }

    fn append(&mut self, path: &Path, bytes: u64) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", path.display());
        let directory = path.parent().context("a file has a directory")?;
        fs::create_dir_all(directory).with_context(failed)?;
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .with_context(failed)?;
        let session = path.file_stem().unwrap_or_default().to_string_lossy();
        let (mut written, mut turn) = (0, String::new());
        while written < bytes {
            turn.clear();
            self.turn(&session, &mut turn);
            file.write_all(turn.as_bytes()).with_context(failed)?;
            written += turn.len() as u64;
        }
        self.bytes += written;
        Ok(())
    }

    /// Writes what a person asked, and some messages that answer it: each says something, uses a tool and is told what came of it.
    fn turn(&mut self, session: &str, rows: &mut String) {
        let asked = self.chance.text(10, 60);
        self.row(
            session,
            rows,
            "user",
            &format!(r#"{{"role":"user","content":"{asked}"}}"#),
            "",
        );
        for _ in 0..self.chance.between(1, 8) {
            self.messages += 1;
            let (message, request) = (self.chance.id(), self.chance.id());
            let said = self.chance.text(20, 150);
            let usage = format!(
                r#""usage":{{"input_tokens":{},"cache_creation_input_tokens":{1},"cache_read_input_tokens":{2},"output_tokens":{3},"server_tool_use":{{"web_search_requests":0,"web_fetch_requests":0}},"service_tier":"standard","cache_creation":{{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":{1}}},"speed":"standard"}}"#,
                self.chance.between(1, 20),
                self.chance.between(100, 5000),
                self.chance.between(10_000, 150_000),
                self.chance.between(20, 2000),
            );
            let tool = self.chance.text(5, 80);
            let blocks = [
                format!(r#"{{"type":"text","text":"{said}"}}"#),
                format!(
                    r#"{{"type":"tool_use","id":"toolu_{message}","name":"Bash","input":{{"command":"{tool}","description":"Looks at it"}}}}"#
                ),
            ];
            // One message has a row for each of its blocks.
            for block in blocks {
                let body = format!(
                    r#"{{"id":"msg_{message}","type":"message","role":"assistant","model":"claude-opus-4-1-20250805","content":[{block}],"stop_reason":null,{usage}}}"#
                );
                let more = format!(r#","requestId":"req_{request}""#);
                self.row(session, rows, "assistant", &body, &more);
            }
            // Most results are short, some are whole files.
            let most = 30.0 * (self.chance.share() * 7.0).exp2();
            let result = self.chance.text(10, 10 + most as u64);
            let body = format!(
                r#"{{"role":"user","content":[{{"tool_use_id":"toolu_{message}","type":"tool_result","content":"{result}","is_error":false}}]}}"#
            );
            let more = format!(
                r#","toolUseResult":{{"stdout":"{result}","stderr":"","interrupted":false,"isImage":false}}"#
            );
            self.row(session, rows, "user", &body, &more);
        }
    }

    fn row(&mut self, session: &str, rows: &mut String, kind: &str, message: &str, more: &str) {
        // A row follows a row by a second, whichever file it is in.
        let second = self.messages % 86_400;
        let day = 1 + (self.messages / 4000) % 28;
        let _ = writeln!(
            rows,
            r#"{{"parentUuid":"{}","isSidechain":false,"userType":"external","cwd":"/home/ada/project","sessionId":"{session}","version":"2.1.330","gitBranch":"main","type":"{kind}","message":{message}{more},"uuid":"{}","timestamp":"2026-03-{day:02}T{:02}:{:02}:{:02}.000Z"}}"#,
            self.chance.id(),
            self.chance.id(),
            second / 3600,
            second / 60 % 60,
            second % 60,
        );
    }
}

/// Is chance that is the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Gives a number from 0 up to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    fn id(&mut self) -> uuid::Uuid {
        uuid::Uuid::from_u64_pair(self.next(), self.next())
    }

    /// Gives lines of words: the nth word is n times as rare as the first.
    fn text(&mut self, least: u64, most: u64) -> String {
        let mut text = String::new();
        for nth in 1..=self.between(least, most) {
            let rank = WORDS.powf(self.share()) as u64;
            match rank {
                1 => text.push_str(COMMON),
                800 => text.push_str(UNCOMMON),
                20_000 => text.push_str(RARE),
                _ => word(rank, &mut text),
            }
            text.push_str(match nth % 12 {
                0 => "\\n",
                6 => ", ",
                _ => " ",
            });
        }
        text
    }
}

/// Writes the word of a rank: the rarer, the longer.
fn word(rank: u64, text: &mut String) {
    const SYLLABLES: [&str; 32] = [
        "ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu",
        "wa", "xe", "yi", "zo", "bru", "cha", "dre", "fli", "gro", "klu", "pra", "ste", "tri",
        "sho", "plu", "sna", "twe",
    ];
    let mut left = rank;
    while left > 0 {
        text.push_str(SYLLABLES[(left % 32) as usize]);
        left /= 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pile_is_as_large_as_wanted_and_grows() {
        let home = tempfile::tempdir().unwrap();
        let mut pile = Pile::write(home.path(), 1_000_000).unwrap();
        let (bytes, messages) = (pile.bytes, pile.messages);
        assert!(
            (1_000_000..1_500_000).contains(&bytes) && messages > 100,
            "{bytes} {messages}"
        );
        let on_disk = |pile: &Pile| -> u64 {
            pile.files
                .iter()
                .map(|path| fs::metadata(path).unwrap().len())
                .sum()
        };
        assert_eq!(on_disk(&pile), bytes);
        let text: String = pile
            .files
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        for word in [COMMON, UNCOMMON] {
            assert!(text.contains(word), "{word}");
        }
        assert_eq!(
            text.matches(r#""role":"assistant""#).count() as u64,
            2 * messages
        );
        pile.grow(100_000).unwrap();
        assert!(pile.bytes >= bytes + 100_000 && pile.messages > messages);
        assert_eq!(on_disk(&pile), pile.bytes);
    }
}
