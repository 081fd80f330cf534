//! Keeps the index up to date.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stratavore_core::attention::Said;
use stratavore_core::clock::Timestamp;
use stratavore_core::hex::hex;
use stratavore_core::ids::ProjectId;
use stratavore_core::program::PROGRAMS;
use stratavore_core::session::{Session, SessionKey};
use stratavore_core::usage::NanoUsd;
use stratavore_programs::{Adapter, Findings, Reader, Transcript, adapter};
use stratavore_store::{Availability, Digest, Reading, SessionFilter, StoreError};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::reading::{Head, Open, Piece};
use super::{Scanned, Word, Words, archive};
use crate::directories::{Changed, Directories};
use crate::supervisor::{Change, Inner};

/// How often the transcripts of what runs here are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often everything is looked at while something changes: subagents write files of their own.
const CHANGING: Duration = Duration::from_secs(10);
/// How often everything is looked at otherwise.
const QUIET: Duration = Duration::from_secs(300);

/// Keeps the index until cancelled.
pub(crate) async fn run(inner: Arc<Inner>, Words(mut words): Words) {
    let mut index = Index::new(inner);
    let cancel = index.inner.cancel.clone();
    let begun = tokio::select! {
        () = index.begin() => true,
        () = cancel.cancelled() => false,
    };
    if !begun {
        return;
    }
    // Words may come faster than that: they must not put a look off for ever.
    let mut looked = Instant::now();
    loop {
        let live = !index.inner.links().is_empty();
        let pause = if live || index.due { LOOK } else { QUIET };
        if !live {
            index.appear.watch(&[]);
        }
        let turn = tokio::select! {
            () = cancel.cancelled() => return,
            word = words.recv() => match word {
                Some(word) => Turn::Told(word),
                None => return,
            },
            changed = index.appear.changed() => Turn::Changed(changed),
            () = tokio::time::sleep_until(looked + pause) => Turn::Look,
        };
        if matches!(turn, Turn::Look) {
            looked = Instant::now();
        }
        // What is being kept is kept whole or read again: a transaction that is cut short changes nothing.
        tokio::select! {
            () = cancel.cancelled() => return,
            () = index.take(turn) => {}
        }
    }
}

/// What the index does next.
enum Turn {
    /// What somebody told it.
    Told(Word),
    /// Where new transcripts appear something changed.
    Changed(Changed),
    /// A look, though nobody says that something changed.
    Look,
}

struct Index {
    inner: Arc<Inner>,
    /// How far each transcript was read, by path; nothing until the store has told.
    readings: Option<HashMap<String, Reading>>,
    homes: HashSet<(String, PathBuf)>,
    /// The transcripts that there are, by session.
    files: HashMap<String, (String, Transcript)>,
    /// Which directories are projects; nothing until the store has told.
    projects: Option<Vec<(PathBuf, ProjectId)>>,
    looked_at: Option<Instant>,
    changing: bool,
    /// Whether everything is to be looked at soon.
    due: bool,
    /// Where new transcripts appear that no hook tells of.
    appear: Directories,
    /// What could not be read, so that it is said once.
    unreadable: HashSet<PathBuf>,
}

/// What has to be remembered of a transcript beside how far it was read.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    head: Option<Head>,
    reader: String,
    session: Option<String>,
    title: Option<String>,
    cwd: Option<String>,
    model: Option<String>,
    parent: Option<String>,
    began_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    requests: u32,
    program_cost: Option<NanoUsd>,
}

impl Memory {
    fn learn(&mut self, found: &mut Findings) {
        fn take<T>(known: &mut Option<T>, found: Option<T>) {
            if found.is_some() {
                *known = found;
            }
        }
        take(&mut self.session, found.session.take());
        take(&mut self.title, found.title.take());
        take(&mut self.cwd, found.cwd.take());
        take(&mut self.model, found.model.take());
        take(&mut self.parent, found.parent.take());
        take(&mut self.program_cost, found.program_cost.take());
        // Clocks go back: the first is the earliest, the last the latest.
        self.began_at = [self.began_at, found.began_at].into_iter().flatten().min();
        self.updated_at = self.updated_at.max(found.updated_at);
        self.requests = self.requests.saturating_add(found.requests);
    }
}

impl Index {
    fn new(inner: Arc<Inner>) -> Self {
        Self {
            inner,
            readings: None,
            homes: HashSet::new(),
            files: HashMap::new(),
            projects: None,
            looked_at: None,
            changing: false,
            due: false,
            appear: Directories::new(),
            unreadable: HashSet::new(),
        }
    }

    /// Learns where programs keep their things, and looks at all of it.
    async fn begin(&mut self) {
        let environment = self.inner.environment().await.variables.clone();
        let lookup = stratavore_programs::lookup(&environment);
        for program in PROGRAMS {
            if let Some(home) = adapter(program.name).home(&lookup) {
                self.homes.insert((program.name.to_owned(), home));
            }
        }
        self.look_at_all().await;
    }

    async fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Look => self.look().await,
            Turn::Changed(changed) => self.take_changed(changed).await,
            Turn::Told(word) => self.take_word(word).await,
        }
    }

    async fn take_word(&mut self, word: Word) {
        match word {
            Word::Home(program, home) => {
                if self.homes.insert((program, home)) {
                    self.look_at_all().await;
                }
            }
            Word::Held(runner, session) => self.hold(runner, session).await,
            Word::Projects => {
                self.look_at_all().await;
                // What was used since the last check is known by now; while the store was away there was none.
                self.inner.budgets.used();
            }
            Word::Touched(path) => {
                self.look_at_path(&path).await;
            }
            Word::Scan(done) => {
                let scanned = self.look_at_all().await;
                let _ = done.send(scanned);
            }
            Word::Again(done) => {
                // What was deleted since the last look is read from nowhere again: it must be known to be gone before.
                self.look_at_all().await;
                let forgotten = self.inner.store.forget_index().await;
                self.readings = None;
                let scanned = match forgotten {
                    Ok(()) => Ok(self.look_at_all().await),
                    Err(error) => Err(error),
                };
                let _ = done.send(scanned);
            }
        }
    }

    /// Looks at the transcripts of what runs here, and at everything when that is due.
    async fn look(&mut self) {
        self.watch_where_they_appear().await;
        let pause = if self.changing { CHANGING } else { QUIET };
        if self.due || self.looked_at.is_none_or(|at| at.elapsed() >= pause) {
            self.look_at_all().await;
            return;
        }
        let held: Vec<(String, String)> = self
            .inner
            .links()
            .values()
            .filter_map(|link| {
                let watch = link.watch();
                Some((watch.program.clone(), watch.session()?.to_owned()))
            })
            .collect();
        for (program, session) in held {
            let copied = self.copy(&program, &session).await;
            if copied > 0 && !self.files.contains_key(&session) {
                self.look_at_all().await;
            } else if let Some((program, transcript)) = self.files.get(&session).cloned() {
                self.changing |= self.look_at(&program, &transcript).await > 0;
            } else {
                // Its transcript begins with its first request.
                self.changing = true;
            }
        }
    }

    /// Brings the copy of a session up to date, where its program keeps it in a database, and returns how many bytes that were.
    async fn copy(&mut self, program: &str, session: &str) -> u64 {
        let mut bytes = 0;
        let homes = self.homes.iter().filter(|(name, _)| name == program);
        for (_, home) in homes.cloned().collect::<Vec<_>>() {
            let place = self.copies_of(program, &home);
            let (name, session, dir) = (program.to_owned(), session.to_owned(), home.clone());
            let copied = tokio::task::spawn_blocking(move || {
                adapter(&name).copy(&dir, &place, Some(&session))
            });
            match copied.await {
                Ok(Ok(copied)) => bytes += copied.unwrap_or_default(),
                Ok(Err(error)) => self.cannot_list(&home, &error),
                Err(_) => {}
            }
        }
        bytes
    }

    /// Returns where the copies lie of what a program keeps in a database.
    fn copies_of(&self, program: &str, home: &Path) -> PathBuf {
        let which = hex(&Sha256::digest(home.as_os_str().as_encoded_bytes()));
        let copies = self.inner.places.data_dir.join("copies").join(program);
        copies.join(&which[..16])
    }

    fn cannot_list(&mut self, home: &Path, error: &std::io::Error) {
        if self.unreadable.insert(home.to_owned()) {
            warn!(path = %home.display(), %error, "cannot list a program's transcripts");
        }
    }

    async fn look_at_all(&mut self) -> Scanned {
        self.looked_at = Some(Instant::now());
        (self.changing, self.due) = (false, false);
        if let Err(error) = self.learn_projects().await {
            debug!(error = &error as &dyn std::error::Error, "cannot index now");
            return Scanned::default();
        }
        let mut scanned = Scanned::default();
        let mut seen = HashSet::new();
        for (program, home) in self.homes.clone() {
            let dir = home.clone();
            let name = program.clone();
            let place = self.copies_of(&program, &home);
            let listed = tokio::task::spawn_blocking(move || {
                let adapter = adapter(&name);
                let copied = adapter.copy(&dir, &place, None)?;
                adapter.transcripts(if copied.is_some() { &place } else { &dir })
            });
            let transcripts = match listed.await {
                Ok(Ok(transcripts)) => transcripts,
                Ok(Err(error)) => {
                    self.cannot_list(&home, &error);
                    continue;
                }
                Err(_) => continue,
            };
            for transcript in transcripts {
                scanned.transcripts += 1;
                seen.insert(transcript.path.to_string_lossy().into_owned());
                if let (Some(session), false) = (&transcript.session, transcript.subagent) {
                    self.files
                        .insert(session.clone(), (program.clone(), transcript.clone()));
                }
                scanned.bytes += self.look_at(&program, &transcript).await;
            }
        }
        self.changing |= scanned.bytes > 0;
        self.forget_gone(&seen).await;
        if self.inner.config.archive_sessions() {
            archive::archive_changed(&self.inner).await;
        }
        scanned
    }

    /// Learns which directories are projects. Where that changed, sessions that no runner holds go to the project that they lie
    /// in now, and what they used goes with them.
    async fn learn_projects(&mut self) -> Result<(), StoreError> {
        let store = &self.inner.store;
        // What is known of a database that is away is shown, and no base for what is written.
        if let Availability::Away { reason, .. } = &*store.availability().borrow() {
            let reason = reason.clone();
            return Err(StoreError::Away { reason });
        }
        let projects = store.projects(true).await?;
        let places: Vec<(PathBuf, ProjectId)> = projects
            .into_iter()
            .map(|project| (PathBuf::from(project.path), project.id))
            .collect();
        if self.projects.as_ref() == Some(&places) {
            return Ok(());
        }
        let mut moved = false;
        for session in store.sessions(SessionFilter::default()).await? {
            let place = project_of(&places, Path::new(&session.cwd));
            let ours = session.key.node == *store.instance() && session.runner.is_none();
            if ours && place.is_some() && place != session.project {
                let session = Session {
                    project: place,
                    ..session
                };
                store.put_session(session).await?;
                moved = true;
            }
        }
        self.projects = Some(places);
        if moved {
            self.inner.changed(Change::Sessions);
            self.inner.changed(Change::Usage);
            self.inner.budgets.used();
        }
        Ok(())
    }

    async fn forget_gone(&mut self, seen: &HashSet<String>) {
        // Not known yet where nothing was read, as when all of them were deleted while no host ran.
        if self.readings().await.is_err() {
            return;
        }
        let Some(readings) = &mut self.readings else {
            return;
        };
        let gone: Vec<String> = readings
            .keys()
            .filter(|path| !seen.contains(*path) && !Path::new(path).exists())
            .cloned()
            .collect();
        if gone.is_empty() {
            return;
        }
        match self.inner.store.transcripts_gone(gone.clone()).await {
            Ok(()) => {
                for path in &gone {
                    readings.remove(path);
                }
                self.inner.changed(Change::Sessions);
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "cannot keep that transcripts are gone"
            ),
        }
    }

    /// Looks at a transcript that somebody named; only one that lies where its program keeps them is read.
    async fn look_at_path(&mut self, path: &Path) {
        let known = self
            .files
            .values()
            .find(|(_, transcript)| transcript.path == path)
            .cloned();
        if let Some((program, transcript)) = known {
            self.look_at(&program, &transcript).await;
        } else if self.homes.iter().any(|(_, home)| path.starts_with(home)) && path.exists() {
            self.look_at_all_soon().await;
        }
    }

    /// Looks at everything, or leaves it to the next look where that was done a moment ago.
    async fn look_at_all_soon(&mut self) {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK) {
            self.due = true;
        } else {
            self.look_at_all().await;
        }
    }

    /// Looks at what changed where new transcripts appear.
    async fn take_changed(&mut self, changed: Changed) {
        self.watch_where_they_appear().await;
        match changed {
            Changed::Anything => self.look_at_all_soon().await,
            Changed::Paths(paths) => {
                for path in paths {
                    self.look_at_path(&path).await;
                }
            }
        }
    }

    /// Watches where new transcripts appear of the programs that run here and tell of none by a hook.
    async fn watch_where_they_appear(&mut self) {
        let live: HashMap<PathBuf, &'static dyn Adapter> = self
            .inner
            .links()
            .values()
            .filter_map(|link| {
                let watch = link.watch();
                Some((watch.home()?.to_owned(), watch.adapter))
            })
            .collect();
        let listed = tokio::task::spawn_blocking(move || {
            let appear = live.iter().map(|(home, adapter)| adapter.appear_in(home));
            appear.flatten().collect::<Vec<_>>()
        });
        if self.appear.watch(&listed.await.unwrap_or_default()) {
            // What appeared before was told by nobody.
            self.due = true;
        }
    }

    /// Reads what was appended to a transcript, and returns how many bytes that were.
    async fn look_at(&mut self, program: &str, transcript: &Transcript) -> u64 {
        match self.follow(program, transcript).await {
            Ok(bytes) => {
                self.unreadable.remove(&transcript.path);
                bytes
            }
            Err(Trouble::Read(error)) => {
                if self.unreadable.insert(transcript.path.clone()) {
                    warn!(path = %transcript.path.display(), %error, "cannot read a transcript");
                }
                0
            }
            Err(Trouble::Keep(error)) => {
                // Where it was read to is not known for sure any more.
                self.readings = None;
                debug!(path = %transcript.path.display(), error = &error as &dyn std::error::Error, "cannot keep what a transcript says now");
                0
            }
        }
    }

    async fn follow(&mut self, program: &str, transcript: &Transcript) -> Result<u64, Trouble> {
        let path = transcript.path.to_string_lossy().into_owned();
        let known = self.readings().await?.get(&path).cloned();
        if let Some(known) = &known {
            // Nothing was appended: the usual case costs one look.
            let file = transcript.path.clone();
            let metadata = tokio::fs::metadata(&file).await.map_err(Trouble::Read)?;
            if metadata.len() == known.offset && super::reading::identity(&metadata) == known.file {
                return Ok(0);
            }
        }
        let mut state = open(program, transcript.clone(), known).await?;
        let (mut bytes, mut fresh) = (0, 0);
        while let Some(step) = {
            let (next, step) = state.step().await?;
            state = next;
            step
        } {
            let Step {
                piece_end,
                mut found,
            } = step;
            bytes += piece_end - state.offset;
            let said = found.said.take();
            let digest = self.digest(program, transcript, &mut state, piece_end, found);
            let session = digest.session.key.id.clone();
            let reading = digest.reading.clone();
            fresh += self
                .inner
                .store
                .digest(digest)
                .await
                .map_err(Trouble::Keep)?;
            state.from = Some(piece_end);
            state.offset = piece_end;
            self.readings().await?.insert(path.clone(), reading);
            self.tell_holder(&session, said, transcript.subagent);
        }
        if bytes > 0 {
            self.inner.changed(Change::Sessions);
        }
        if fresh > 0 {
            self.inner.changed(Change::Usage);
            self.inner.budgets.used();
        }
        Ok(bytes)
    }

    fn digest(
        &self,
        program: &str,
        transcript: &Transcript,
        state: &mut State,
        end: u64,
        mut found: Findings,
    ) -> Digest {
        state.memory.learn(&mut found);
        state.memory.reader = state
            .reader
            .as_ref()
            .map(|reader| reader.memory())
            .unwrap_or_default();
        let memory = &state.memory;
        let name = transcript.path.file_stem().unwrap_or_default();
        let id = memory
            .session
            .clone()
            .or_else(|| transcript.session.clone())
            .unwrap_or_else(|| name.to_string_lossy().into_owned());
        let now = self.inner.clock.now();
        let cwd = memory.cwd.clone().unwrap_or_default();
        let runner = self.inner.sessions.holder(&id);
        let prices = &self.inner.prices;
        let entries = found
            .entries
            .into_iter()
            .map(|entry| {
                let cost = prices
                    .price(&entry.model)
                    .map(|price| price.cost(&entry.tokens));
                (entry, cost)
            })
            .collect();
        let main = !transcript.subagent;
        Digest {
            from: state.from,
            reading: Reading {
                path: transcript.path.to_string_lossy().into_owned(),
                file: state.identity.clone(),
                offset: end,
                memory: serde_json::to_string(memory).unwrap_or_default(),
            },
            session: Session {
                key: SessionKey {
                    node: self.inner.store.instance().clone(),
                    program: program.to_owned(),
                    id,
                },
                project: project_of(
                    self.projects.as_deref().unwrap_or_default(),
                    Path::new(&cwd),
                ),
                cwd,
                title: memory.title.clone().filter(|_| main),
                model: memory.model.clone().filter(|_| main),
                began_at: memory.began_at.unwrap_or(now),
                updated_at: memory.updated_at.or(memory.began_at).unwrap_or(now),
                requests: if main { memory.requests } else { 0 },
                parent: memory.parent.clone(),
                runner,
                transcript: main.then(|| transcript.path.to_string_lossy().into_owned()),
                program_cost: memory.program_cost.filter(|_| main),
                archive: None,
            },
            // What subagents say among themselves is no part of what a person looks for.
            passages: if main { found.passages } else { Vec::new() },
            entries,
            runner,
        }
    }

    /// Tells the runner that holds a session what its transcript says of the last turn.
    fn tell_holder(&self, session: &str, said: Option<Said>, subagent: bool) {
        let Some(runner) = self.inner.sessions.holder(session) else {
            return;
        };
        let link = self.inner.links().get(&runner).cloned();
        if let Some(link) = link {
            let now = self.inner.clock.now();
            let said = said.filter(|_| !subagent);
            self.inner.attend(runner, &link, |watch| {
                watch.recorded(said, now);
                false
            });
        }
    }

    /// Keeps that a runner holds a session, which may have no transcript yet.
    async fn hold(&mut self, runner: stratavore_core::ids::RunnerId, session: String) {
        let held = async {
            let view = self.inner.store.runner(runner).await?.runner;
            let now = self.inner.clock.now();
            self.inner
                .store
                .put_session(Session {
                    key: SessionKey {
                        node: self.inner.store.instance().clone(),
                        program: view.launch.program.clone(),
                        id: session,
                    },
                    project: Some(view.project_id),
                    cwd: view.launch.cwd.clone(),
                    title: None,
                    model: None,
                    began_at: now,
                    updated_at: now,
                    requests: 0,
                    parent: view.launch.mode.session().map(str::to_owned).filter(|_| {
                        matches!(view.launch.mode, stratavore_core::session::Mode::Fork(_))
                    }),
                    runner: Some(runner),
                    transcript: None,
                    program_cost: None,
                    archive: None,
                })
                .await
        };
        match held.await {
            Ok(()) => self.inner.changed(Change::Sessions),
            Err(error) => {
                warn!(%runner, error = &error as &dyn std::error::Error, "cannot keep which session a runner holds");
            }
        }
        self.changing = true;
    }

    /// Returns how far transcripts were read, asking the store where that is not known.
    async fn readings(&mut self) -> Result<&mut HashMap<String, Reading>, Trouble> {
        if self.readings.is_none() {
            let kept = self
                .inner
                .store
                .transcripts()
                .await
                .map_err(Trouble::Keep)?;
            info!(transcripts = kept.len(), "reading transcripts");
            let by_path = kept
                .into_iter()
                .map(|reading| (reading.path.clone(), reading));
            self.readings = Some(by_path.collect());
        }
        Ok(self.readings.get_or_insert_default())
    }
}

/// Returns the project in whose directory something is: the innermost.
fn project_of(places: &[(PathBuf, ProjectId)], cwd: &Path) -> Option<ProjectId> {
    places
        .iter()
        .filter(|(path, _)| cwd.starts_with(path))
        .max_by_key(|(path, _)| path.components().count())
        .map(|(_, project)| *project)
}

/// Why a transcript was not read further.
enum Trouble {
    Read(std::io::Error),
    Keep(StoreError),
}

/// A transcript that is being read.
struct State {
    open: Option<Open>,
    reader: Option<Box<dyn Reader>>,
    memory: Memory,
    identity: String,
    /// Up to where the store has it.
    from: Option<u64>,
    offset: u64,
}

struct Step {
    piece_end: u64,
    found: Findings,
}

async fn open(
    program: &str,
    transcript: Transcript,
    known: Option<Reading>,
) -> Result<State, Trouble> {
    let program = program.to_owned();
    let opened = tokio::task::spawn_blocking(move || -> std::io::Result<State> {
        let mut open = Open::at(&transcript.path)?;
        // Another file under its name, and one that was cut, begin anew.
        let known =
            known.filter(|known| known.file == open.identity && known.offset <= open.length);
        let memory = known
            .as_ref()
            .map(|known| -> Memory { serde_json::from_str(&known.memory).unwrap_or_default() });
        let head = open.head(memory.as_ref().and_then(|memory| memory.head.as_ref()))?;
        // And so does one that was written anew in its own place.
        let (known, mut memory) = match (&head, memory) {
            (Some(_), Some(memory)) => (known, memory),
            _ => (None, Memory::default()),
        };
        memory.head = match head {
            Some(head) => Some(head),
            None => open.head(None)?,
        };
        let from = known.as_ref().map(|known| known.offset);
        open.from(from.unwrap_or_default())?;
        let remembered = known.is_some().then_some(memory.reader.as_str());
        Ok(State {
            reader: adapter(&program).reader(&transcript, remembered),
            identity: open.identity.clone(),
            open: Some(open),
            memory,
            from,
            offset: from.unwrap_or_default(),
        })
    });
    match opened.await {
        Ok(state) => state.map_err(Trouble::Read),
        Err(error) => Err(Trouble::Read(std::io::Error::other(error))),
    }
}

impl State {
    /// Reads the next piece, off the threads that everything else runs on.
    async fn step(mut self) -> Result<(Self, Option<Step>), Trouble> {
        let stepped =
            tokio::task::spawn_blocking(move || -> std::io::Result<(Self, Option<Step>)> {
                let (Some(open), Some(reader)) = (&mut self.open, &mut self.reader) else {
                    return Ok((self, None));
                };
                let step = open.next()?.map(|Piece { offset, rows, end }| Step {
                    piece_end: end,
                    found: reader.take(offset, &rows),
                });
                Ok((self, step))
            });
        match stepped.await {
            Ok(stepped) => stepped.map_err(Trouble::Read),
            Err(error) => Err(Trouble::Read(std::io::Error::other(error))),
        }
    }
}
