//! What processes use of memory and processor.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;
use stratavore_testkit::Process;

use crate::sample::Sample;

/// Reads a process's proportional share of memory, in bytes.
pub(crate) fn memory(process: Process) -> anyhow::Result<f64> {
    let file = format!("/proc/{}/smaps_rollup", process.pid);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let kibibytes: f64 = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("Pss:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .with_context(|| format!("no Pss in {file}"))?;
    Ok(kibibytes * 1024.0)
}

/// Reads the proportional shares of several processes.
pub(crate) fn memories(processes: &[Process]) -> anyhow::Result<Sample> {
    let shares: anyhow::Result<Vec<f64>> =
        processes.iter().map(|process| memory(*process)).collect();
    Sample::new(shares?)
}

/// Measures, window after window, which share of one core the processes use together.
pub(crate) async fn processor(
    processes: &[Process],
    windows: usize,
    window: Duration,
) -> anyhow::Result<Sample> {
    let mut shares = Vec::new();
    for _ in 0..windows {
        let (begun, before) = (Instant::now(), processor_time(processes)?);
        tokio::time::sleep(window).await;
        let used = processor_time(processes)? - before;
        shares.push(used.as_secs_f64() / begun.elapsed().as_secs_f64());
    }
    Sample::new(shares)
}

fn processor_time(processes: &[Process]) -> anyhow::Result<Duration> {
    processes
        .iter()
        .map(|process| processor_time_of(*process))
        .sum()
}

/// Reads the processor time of all threads of a process, ended ones too.
///
/// The ticks in `/proc/<pid>/stat` are too coarse: an idle agent does not use one in a whole window.
pub(crate) fn processor_time_of(process: Process) -> anyhow::Result<Duration> {
    let pid = libc::pid_t::try_from(process.pid).context("no such pid")?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is a valid place for the answer, and nothing else is written.
    let failed = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    anyhow::ensure!(
        failed == 0,
        "cannot measure the processor time of {process:?}"
    );
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the answer, and nothing else is written.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    anyhow::ensure!(failed == 0, "cannot read the processor time of {process:?}");
    Ok(Duration::new(
        u64::try_from(time.tv_sec)?,
        u32::try_from(time.tv_nsec)?,
    ))
}

/// Reads the processor time of all children of a process that have ended and were waited for, in whole ticks.
pub(crate) fn processor_time_of_children(process: Process) -> anyhow::Result<Duration> {
    let file = format!("/proc/{}/stat", process.pid);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    // After the name, which may hold anything: the state is the third field, what is wanted the 16th and the 17th.
    let ticks: u64 = text
        .rsplit_once(')')
        .map(|(_, fields)| fields.split_ascii_whitespace().skip(13).take(2))
        .into_iter()
        .flatten()
        .map(str::parse::<u64>)
        .sum::<Result<_, _>>()
        .with_context(|| format!("{file} makes no sense"))?;
    // SAFETY: takes a number and gives one.
    let in_a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Duration::from_secs_f64(ticks as f64 / in_a_second as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_children_used_is_counted_when_they_have_ended() {
        let own = Process::current();
        let before = processor_time_of_children(own).unwrap();
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let ended = std::process::Command::new("sh").args(["-c", busy]).status();
        assert!(ended.unwrap().success());
        assert!(processor_time_of_children(own).unwrap() > before);
    }

    #[test]
    fn a_busy_process_uses_processor_time_and_memory() {
        let own = Process::current();
        let before = processor_time_of(own).unwrap();
        let mut spins = 0_u64;
        while processor_time_of(own).unwrap() < before + Duration::from_millis(3) {
            spins = std::hint::black_box(spins + 1);
        }
        let small = memory(own).unwrap();
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(
            memory(own).unwrap() > small + 60e6,
            "{} bytes are held",
            held.len()
        );
        let nobody = Process {
            pid: u32::MAX,
            start_time: 0,
        };
        assert!(memory(nobody).is_err() && processor_time_of(nobody).is_err());
    }
}
