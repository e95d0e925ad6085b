//! One pump per port: frames from the wire to the router's ingress queue, and from its egress queue to the wire.

use core::future::pending;
use core::mem;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, Timer};
use gatelet_hal::{EthernetPort, Frame, HEADROOM, LinkState, Pool, PortId};

use crate::fmt::{Show, warning};
use crate::queues::{FrameQueue, PortQueues};

/// After so many frames received, or twice as many sent, the pump lets others run, even if its port always has something to do.
/// Twice as many, because what the router takes from one port in a turn may leave by another as two fragments each.
const RECEIVED_BETWEEN_YIELDS: u32 = 8;

/// Pumps `port` for ever.
pub(crate) async fn pump<'p, M: RawMutex, P: EthernetPort<'p>>(
    queues: &PortQueues<'p, M>,
    pool: Pool<'p>,
    id: PortId,
    mut port: P,
) -> ! {
    // Always one frame at hand to receive into. When the pool has no other to replace it, what arrived in it is
    // dropped and it is used again, so that even a port out of frames keeps its driver's buffers moving.
    let mut spare = first_frame(pool, id).await;
    let mut outgoing: Option<Frame<'p>> = None;
    let mut link = LinkState::Down;
    let (mut received, mut rounds) = (0u32, 0u32);
    // In the round before.
    let mut received_last = false;
    loop {
        rounds += 1;
        if mem::replace(&mut link, port.link_state()) != link {
            queues.link.signal(link);
        }
        if link == LinkState::Down {
            // What was meant for the line that was cut is stale when it comes back.
            outgoing = None;
            queues.egress.drain();
        } else if outgoing.is_none() {
            outgoing = queues.egress.channel.try_receive().ok();
        }
        let ready =
            match select(port.wait(outgoing.is_some()), next(&queues.egress, outgoing.is_none())).await {
                Either::First(ready) => ready,
                Either::Second(frame) => {
                    outgoing = Some(frame);
                    continue;
                }
            };
        queues.round.increment();
        // Two are sent for one received, while both are to be done.
        received_last = ready.receive && !(received_last && ready.transmit);
        if received_last {
            received += 1;
            if !port.receive(&mut spare).await {
                queues.unusable.increment();
            } else if let Some(next) = pool.take(id) {
                queues.ingress.push(mem::replace(&mut spare, next));
            }
            // Out of frames: counted by the pool, and this one's content is dropped.
            spare.clear(HEADROOM);
        }
        if ready.transmit
            && let Some(frame) = outgoing.take()
            && !port.transmit(frame).await
        {
            queues.refused.increment();
        }
        queues.round.increment();
        if received >= RECEIVED_BETWEEN_YIELDS || rounds >= 2 * RECEIVED_BETWEEN_YIELDS {
            (received, rounds) = (0, 0);
            yield_now().await;
        }
    }
}

/// The next frame to send, if one is wanted.
async fn next<'p, M: RawMutex>(egress: &FrameQueue<'p, M>, wanted: bool) -> Frame<'p> {
    if wanted { egress.channel.receive().await } else { pending().await }
}

/// The port's first frame. A pool without one for it is a mistake of the firmware's configuration.
async fn first_frame(pool: Pool<'_>, id: PortId) -> Frame<'_> {
    loop {
        if let Some(frame) = pool.take(id) {
            return frame;
        }
        warning!("port {}: the pool has no frame for it: reserve some", Show(id.0));
        Timer::after(Duration::from_secs(1)).await;
    }
}
