//! virtio (1.2, sections 2.7, 4.2 and 5.1) without a heap: an Ethernet port whose device reads and writes the frames
//! themselves, and random numbers.

use core::array;
use core::future::poll_fn;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Poll;

use gatelet_hal::{EthernetPort, Frame, HEADROOM, LinkState, MAX_FRAME_LEN, Pool, PortId, Ready};
use smoltcp::wire::EthernetAddress;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::machine::{self, Slot};

/// Buffers of a queue, and so many frames that may be with the device in one direction.
pub(crate) const QUEUE: usize = 16;

/// A virtio-net device. Nothing is copied: a frame that is received is one that the device had been given empty, and one
/// that is sent stays with it until it is done.
pub(crate) struct Port<'p> {
    // First, because it is dropped first: it takes the queues from the device, before the frames in them go.
    device: VirtIONetRaw<Machine, MmioTransport<'static>, QUEUE>,
    slot: Slot,
    link: LinkState,
    /// Frames that are with the device, by the token under which it has them.
    receiving: [Option<Frame<'p>>; QUEUE],
    sending: [Option<Frame<'p>>; QUEUE],
}

impl<'p> Port<'p> {
    /// The device in `slot`, with frames of port `id` to receive into. `None`, if there is none or it does not work.
    pub(crate) fn new(slot: Slot, pool: Pool<'p>, id: PortId) -> Option<Self> {
        let device = VirtIONetRaw::new(transport(slot)?).ok()?;
        let none = || array::from_fn(|_| None);
        let mut port = Self { device, slot, link: LinkState::Down, receiving: none(), sending: none() };
        for _ in 0..QUEUE {
            port.lend(pool.take(id)?);
        }
        Some(port)
    }

    /// Gives the device a frame to receive into.
    fn lend(&mut self, mut frame: Frame<'p>) {
        frame.clear(HEADROOM - HEADER_LEN);
        let Some(room) = frame.push_back(HEADER_LEN + MAX_FRAME_LEN) else { return };
        // SAFETY: the frame stays in `receiving`, untouched, until `receive_complete` or until the device is gone.
        if let Ok(token) = unsafe { self.device.receive_begin(room) }
            && let Some(place) = self.receiving.get_mut(usize::from(token))
        {
            *place = Some(frame);
        }
    }

    /// Drops frames that were sent.
    fn reclaim(&mut self) {
        while let Some(token) = self.device.poll_transmit() {
            let Some(frame) = self.sending.get_mut(usize::from(token)).and_then(Option::take) else { return };
            // SAFETY: this frame was given under this token.
            if unsafe { self.device.transmit_complete(token, frame.bytes()) }.is_err() {
                return;
            }
        }
    }

    fn has_carrier(&self) -> bool {
        let (base, _) = machine::virtio(self.slot);
        // SAFETY: `status` behind the MAC address in the device's configuration (section 5.1.4): reading changes nothing.
        unsafe { machine::read(base + 0x104) >> 16 & 1 == 1 }
    }
}

impl<'p> EthernetPort<'p> for Port<'p> {
    fn hardware_address(&self) -> EthernetAddress {
        EthernetAddress(self.device.mac_address())
    }

    fn max_frame_len(&self) -> usize {
        MAX_FRAME_LEN
    }

    fn link_state(&self) -> LinkState {
        self.link
    }

    async fn wait(&mut self, to_transmit: bool) -> Ready {
        poll_fn(|cx| {
            machine::virtio_waker(self.slot).register(cx.waker());
            self.reclaim();
            let link = if self.has_carrier() { LinkState::Up } else { LinkState::Down };
            let changed = core::mem::replace(&mut self.link, link) != link;
            let ready = Ready {
                receive: self.device.poll_receive().is_some(),
                transmit: to_transmit && self.device.can_send(),
            };
            if ready.receive || ready.transmit || changed { Poll::Ready(ready) } else { Poll::Pending }
        })
        .await
    }

    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool {
        let Some(token) = self.device.poll_receive() else { return false };
        let Some(mut full) = self.receiving.get_mut(usize::from(token)).and_then(Option::take) else {
            return false;
        };
        // SAFETY: this frame was given under this token, with all of this content.
        let received = unsafe { self.device.receive_complete(token, full.bytes_mut()) };
        let Ok((header, len)) = received else {
            self.lend(full);
            return false;
        };
        full.truncate(header + len);
        let whole = full.pull_front(header);
        self.lend(core::mem::replace(frame, full));
        whole
    }

    async fn transmit(&mut self, mut frame: Frame<'p>) -> bool {
        let Some(header) = frame.push_front(HEADER_LEN) else { return false };
        if self.device.fill_buffer_header(header).is_err() {
            return false;
        }
        // SAFETY: the frame stays in `sending`, untouched, until `transmit_complete` or until the device is gone.
        let Ok(token) = (unsafe { self.device.transmit_begin(frame.bytes()) }) else { return false };
        if let Some(place) = self.sending.get_mut(usize::from(token)) {
            *place = Some(frame);
        }
        true
    }
}

/// Bytes nobody can guess, from the host. `None`, if the machine has no source of them.
pub(crate) fn entropy<const N: usize>() -> Option<[u8; N]> {
    let mut source = VirtIORng::<Machine, _>::new(transport(Slot::Entropy)?).ok()?;
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += source.request_entropy(&mut bytes[filled..]).ok()?;
    }
    Some(bytes)
}

fn transport(slot: Slot) -> Option<MmioTransport<'static>> {
    let (base, len) = machine::virtio(slot);
    let header = NonNull::new(core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(base))?;
    // SAFETY: a virtio-mmio slot, of so many bytes, for ever; nobody but its driver (and the interrupt's handler, for its
    // own register) touches it.
    unsafe { MmioTransport::new(header, len) }.ok()
}

/// `virtio_net_hdr`, as a device of version 1 has it (section 5.1.6).
const HEADER_LEN: usize = 12;

/// RAM as devices see it: as we do. Queues come from a static block and are not given back.
struct Machine;

/// Two queues of two ports and one more, a page for what we write and one for what the device does.
const PAGES: usize = 10;

#[repr(C, align(4096))]
struct Pages([core::cell::UnsafeCell<[u8; PAGE_SIZE]>; PAGES]);

// SAFETY: `dma_alloc` gives each page out once, and nobody else knows of them.
unsafe impl Sync for Pages {}

static QUEUE_PAGES: Pages = Pages([const { core::cell::UnsafeCell::new([0; PAGE_SIZE]) }; PAGES]);
static PAGES_TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: pages are aligned, zero at first, and given out once; there is no MMU and no IOMMU, so that addresses are the same
// for all.
unsafe impl Hal for Machine {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let first = PAGES_TAKEN.fetch_add(pages, Ordering::Relaxed);
        // An address of 0 is the driver's sign that there is none.
        QUEUE_PAGES.0.get(first..first + pages).map_or((0, NonNull::dangling()), |free| {
            let page = NonNull::from(free).cast::<u8>();
            (page.as_ptr().expose_provenance() as PhysAddr, page)
        })
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        // For PCI alone, which is not used.
        NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr().expose_provenance() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
