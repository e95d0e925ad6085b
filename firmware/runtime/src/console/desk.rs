//! Where a console asks the router, which nobody but its own task can reach, for a line of a report.

use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;
use gatelet_console::{Context, Report, Text, report};
use gatelet_router::Router;

/// The desk. A line is made in one turn of the router's task, which forwards packets before and after it.
pub(crate) struct ReportDesk<M: RawMutex> {
    /// One asks at a time.
    turn: Mutex<M, ()>,
    pub(crate) question: Signal<M, (Report, u32, Context)>,
    answer: Signal<M, Option<(Text, u32)>>,
}

impl<M: RawMutex> ReportDesk<M> {
    pub(crate) const fn new() -> Self {
        Self { turn: Mutex::new(()), question: Signal::new(), answer: Signal::new() }
    }

    /// The line at `at`, and where the next one is.
    pub(super) async fn ask(&self, report: Report, at: u32, context: Context) -> Option<(Text, u32)> {
        let _turn = self.turn.lock().await;
        // The answer to somebody who stopped waiting for it.
        self.answer.reset();
        self.question.signal((report, at, context));
        self.answer.wait().await
    }

    /// Answers, in the router's task.
    pub(crate) fn serve(&self, router: &Router<'_>) {
        if let Some((report, at, context)) = self.question.try_take() {
            let mut text = Text::new();
            let next = report::router(router, report, at, &context, &mut text);
            self.answer.signal(next.map(|next| (text, next)));
        }
    }
}
