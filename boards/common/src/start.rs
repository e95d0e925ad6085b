//! Starting with little stack: large things are on it while they are made, one after the other here. Made by the function that needs
//! them all, they would be in its frame together.

use embassy_executor::{SpawnError, SpawnToken, Spawner};
use static_cell::StaticCell;

/// Makes something large, and moves it to where it stays.
///
/// # Panics
/// If it has been made before.
#[inline(never)]
pub fn make<T>(place: &'static StaticCell<T>, new: impl FnOnce() -> T) -> &'static mut T {
    place.init_with(new)
}

/// Makes a task's future, moves it to where it stays, and has it run.
///
/// # Errors
/// If it has been spawned before.
#[inline(never)]
pub fn spawn<S>(
    spawner: Spawner,
    task: impl FnOnce() -> Result<SpawnToken<S>, SpawnError>,
) -> Result<(), &'static str> {
    spawner.spawn(task().map_err(|_| "a task is spawned once")?);
    Ok(())
}
