//! Evaluation mode: batch norm has its running statistics, so no image's result depends on another image.

use super::{
    forward::{Forward, Normaliser},
    node::Paths,
    packing::Packed,
    program::Program,
    shape::Image,
    stage::Scratch,
    tape::Tape,
    team::{at_once, shares},
};
use crate::network::{Parameters, Statistics};

/// The threads that evaluate a program.
#[derive(Debug)]
pub struct Evaluation {
    workers: Vec<Worker>,
}

/// The memory that one thread works in: it computes one image at a time.
#[derive(Debug)]
struct Worker {
    tape: Tape,
    scratch: Scratch,
}

impl Evaluation {
    /// Memory for so many threads.
    pub fn new(program: &Program, threads: usize) -> Self {
        let worker = || Worker { tape: Tape::new(program), scratch: Scratch::default() };
        Self { workers: (0..threads.max(1)).map(|_| worker()).collect() }
    }

    /// Takes batch norm's parameters and running statistics as they are now.
    pub fn take(
        &mut self,
        program: &Program,
        parameters: Parameters<&[f32]>,
        statistics: Statistics<&[f32]>,
    ) {
        for worker in &mut self.workers {
            for (stages, tapes) in program.modules.iter().zip(&mut worker.tape.stages) {
                for (stage, tape) in stages.iter().zip(tapes) {
                    tape.normalisation = stage.norm.running(parameters, statistics);
                }
            }
        }
    }

    /// What `read` makes of the last cell's output for each of the pictures `[N, H, W, 3]`, in their order. It is
    /// the same to the last bit for any number of threads.
    pub fn run<T: Send>(
        &mut self,
        program: &Program,
        packed: &[Vec<Packed>],
        pictures: &[f32],
        read: impl Fn(Image<'_>) -> T + Sync,
    ) -> Vec<T> {
        let (length, read) = (program.picture_length(), &read);
        let shares = shares(pictures.len() / length, self.workers.len());
        let tasks = self.workers.iter_mut().zip(shares).map(|(worker, share)| {
            let pictures = &pictures[share.start * length..share.end * length];
            move || pictures.chunks_exact(length).map(|p| worker.image(program, packed, p, read)).collect()
        });
        at_once::<Vec<_>>(tasks.collect()).into_iter().flatten().collect()
    }
}

impl Worker {
    /// Computes one picture, `[H, W, 3]`.
    fn image<T>(
        &mut self,
        program: &Program,
        packed: &[Vec<Packed>],
        picture: &[f32],
        read: impl Fn(Image<'_>) -> T,
    ) -> T {
        let (normaliser, paths, scratch) = (Normaliser::Tape, Paths::KEPT, &mut self.scratch);
        Forward { program, packed, normaliser, paths, scratch }.run(&mut self.tape, picture);
        read(self.tape.feature(program.cells.len(), 0))
    }
}
