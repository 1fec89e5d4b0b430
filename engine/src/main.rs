//! `relativenas-engine`: everything that needs libtorch, on behalf of the command `relativenas`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use relativenas_core::manifest::BUILD;
use relativenas_engine::{
    allocator,
    commands::{
        self, DataArguments, EvaluateArguments, ExchangeArguments, LoaderArguments, PackArguments,
        PredictArguments, RanksArguments, ThroughputArguments,
    },
    device, failure,
    probe::{self, ProbeArguments},
    run,
};

#[derive(Parser)]
#[command(name = "relativenas-engine", about = "The engine behind `relativenas`; start that instead")]
struct Arguments {
    /// Print the build id, which must be that of the command.
    #[arg(long)]
    build_id: bool,
    /// Print whether it was built with MPI.
    #[arg(long)]
    mpi: bool,
    #[command(subcommand)]
    work: Option<EngineCommand>,
}

#[derive(Subcommand)]
enum EngineCommand {
    /// Go on with a run until it is done.
    Run {
        /// The run's folder.
        run: PathBuf,
        /// End when this process, which started this one, ends.
        #[arg(long, value_name = "PID")]
        die_with_parent: Option<i32>,
        /// Go on where the file system has no locks.
        #[arg(long)]
        force: bool,
        /// Begin paused.
        #[arg(long)]
        paused: bool,
        /// End when this process, which is no parent of this one, ends.
        #[arg(long, value_name = "PID")]
        leave_with: Option<i32>,
        #[command(flatten)]
        ranks: RanksArguments,
        /// Begin again where no checkpoint can be read.
        #[arg(long)]
        restart: bool,
    },
    /// Evaluate trained weights on images that they were not trained on.
    Evaluate(EvaluateArguments),
    /// Say what a data set is, and what is wrong with it.
    Data(DataArguments),
    /// Measure how long ranks take to add up their numbers.
    Exchange(ExchangeArguments),
    /// Measure how fast this machine makes photographs ready for a network.
    Loader(LoaderArguments),
    /// Pack an image folder to LMDB, which a slow or shared disk reads much faster.
    Pack(PackArguments),
    /// Say what a trained network sees in pictures.
    Predict(PredictArguments),
    /// Find out whether the comparison of a search is any good.
    Probe(ProbeArguments),
    /// Measure how fast this machine estimates, doing the work of a plain PyTorch program.
    Throughput(ThroughputArguments),
    /// List the devices that libtorch sees.
    Devices {
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    let arguments = Arguments::parse();
    if arguments.build_id {
        println!("{BUILD}");
        return ExitCode::SUCCESS;
    }
    if arguments.mpi {
        println!("{}", cfg!(feature = "mpi"));
        return ExitCode::SUCCESS;
    }
    let outcome = match arguments.work {
        None => {
            eprintln!("relativenas-engine works for the command `relativenas`; see `relativenas --help`");
            return ExitCode::from(2);
        }
        Some(EngineCommand::Run { run, die_with_parent, force, paused, leave_with, ranks, restart }) => {
            let (ranked, rank_timeout) = (ranks.ranked(), ranks.timeout());
            let options = run::RunOptions { force, paused, ranked, rank_timeout, leave_with, restart };
            end_with(die_with_parent).and_then(|()| run::run(&run, options))
        }
        Some(EngineCommand::Evaluate(arguments)) => {
            end_with(arguments.die_with_parent).and_then(|()| commands::evaluate(&arguments))
        }
        Some(EngineCommand::Data(arguments)) => commands::data(&arguments),
        Some(EngineCommand::Exchange(arguments)) => commands::exchange(&arguments),
        Some(EngineCommand::Loader(arguments)) => commands::loader(&arguments),
        Some(EngineCommand::Pack(arguments)) => commands::pack(&arguments),
        Some(EngineCommand::Predict(arguments)) => commands::predict(&arguments),
        Some(EngineCommand::Probe(arguments)) => {
            end_with(arguments.die_with_parent).and_then(|()| probe::probe(&arguments))
        }
        Some(EngineCommand::Throughput(arguments)) => commands::throughput(&arguments),
        Some(EngineCommand::Devices { json }) => {
            device::print(json);
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A failure to print the error is ignored.
            let _ = writeln!(io::stderr(), "relativenas-engine: {}", failure::explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// If asked to, has the kernel end this process together with the one that started it. That one may have
/// ended already while libtorch was loaded; then this process has another parent by now.
fn end_with(parent: Option<i32>) -> anyhow::Result<()> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let Some(parent) = parent else { return Ok(()) };
    set_parent_process_death_signal(Some(Signal::TERM))
        .context("cannot have this process end together with the one that started it")?;
    ensure!(
        getppid() == Pid::from_raw(parent),
        "process {parent}, which started this one, has ended already"
    );
    Ok(())
}
