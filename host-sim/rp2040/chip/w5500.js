// The W5500 as its data sheet (1.1.0) describes it: the common registers, and socket 0 in MACRAW mode, which is all that a router
// asks of it. What is put on the wire, and what comes from it, takes the time of 100 Mbit/s.

/** Section 4.1. */
const MR = 0x00;
const SIR = 0x17;
const SIMR = 0x18;
const PHYCFGR = 0x2e;
const VERSIONR = 0x39;
/** Section 4.2. */
const SN_MR = 0x00;
const SN_CR = 0x01;
const SN_IR = 0x02;
const SN_SR = 0x03;
const SN_RXBUF_SIZE = 0x1e;
const SN_TXBUF_SIZE = 0x1f;
const SN_TX_FSR = 0x20;
const SN_TX_RD = 0x22;
const SN_TX_WR = 0x24;
const SN_RX_RSR = 0x26;
const SN_RX_RD = 0x28;
const SN_RX_WR = 0x2a;
const SN_IMR = 0x2c;

const OPEN = 0x01;
const CLOSE = 0x10;
const SEND = 0x20;
const RECV = 0x40;
const SENT = 0x10;
const RECEIVED = 0x04;
const MACRAW = 0x42;

/** An octet at 100 Mbit/s. */
const OCTET_NS = 80;
/** Preamble, check sequence and gap (IEEE 802.3, sections 3.1.1 and 4.4.2). */
const AROUND_A_FRAME = 24;
/** Until there is a link after a reset: the longest that the other side keeps silent first (IEEE 802.3, section 28.3.2). */
const LINK_NS = 1.5e9;

export class W5500 {
  /** `interrupt` is told the level of INTn, `onFrame` what goes onto the wire. */
  constructor(clock, interrupt, onFrame) {
    this.clock = clock;
    this.interrupt = interrupt;
    this.onFrame = onFrame;
    this.lost = 0;
    this.sending = clock.createAlarm(() => this.sent());
    this.link = clock.createAlarm(() => (this.hasLink = true));
    this.reset();
    this.hasLink = false;
    this.link.schedule(LINK_NS);
  }

  /** The chip's select line, active low: where a frame of SPI begins and ends (section 2.2). */
  select(low) {
    this.selected = low;
    this.phase = 0;
  }

  /** The reset line goes low. */
  power() {
    this.reset();
    this.hasLink = false;
    this.link.schedule(LINK_NS);
  }

  reset() {
    this.common = new Uint8Array(0x40);
    this.common.set([0x07, 0xd0, 0x08], 0x19);
    this.common[VERSIONR] = 4;
    this.sockets = Array.from({ length: 8 }, () => {
      const socket = new Uint8Array(0x30);
      socket[SN_RXBUF_SIZE] = socket[SN_TXBUF_SIZE] = 2;
      socket.set([0xff, 0x40, 0x00], SN_IMR);
      return socket;
    });
    this.tx = new Uint8Array(16384);
    this.rx = new Uint8Array(16384);
    /** What RECV has given back of the memory, and where SEND's frame ends. */
    this.released = 0;
    this.sendEnd = null;
    this.sending.cancel();
    this.select(false);
    this.raise();
  }

  /** An octet on the bus, in and out. */
  exchange(octet) {
    if (!this.selected) return 0;
    switch (this.phase++) {
      case 0:
        this.address = octet << 8;
        return 0;
      case 1:
        this.address |= octet;
        return 0;
      case 2:
        this.block = octet >> 3;
        this.writes = (octet & 4) !== 0;
        return 0;
    }
    const address = this.address;
    this.address = (address + 1) & 0xffff;
    if (!this.writes) return this.read(this.block, address);
    this.write(this.block, address, octet);
    return 0;
  }

  read(block, address) {
    if (block === 0) return this.readCommon(address);
    const socket = this.sockets[block >> 2];
    switch (block & 3) {
      case 1:
        return this.readSocket(block >> 2, address);
      case 2:
        return block === 2 ? this.tx[address & this.mask(socket, SN_TXBUF_SIZE)] : 0;
      case 3:
        return block === 3 ? this.rx[address & this.mask(socket, SN_RXBUF_SIZE)] : 0;
    }
    return 0;
  }

  readCommon(address) {
    if (address === SIR) return this.socketInterrupts();
    // Section 4.1, PHYCFGR: all capable, 100 Mbit/s full duplex once there is a link.
    if (address === PHYCFGR) return 0xb8 | (this.hasLink ? 7 : 0);
    return this.common[address] ?? 0;
  }

  readSocket(number, address) {
    const socket = this.sockets[number];
    const free = () => this.size(socket, SN_TXBUF_SIZE) - this.distance(socket, SN_TX_RD, SN_TX_WR);
    const waiting = () => (word(socket, SN_RX_WR) - this.released) & 0xffff;
    switch (address) {
      case SN_TX_FSR:
        return free() >> 8;
      case SN_TX_FSR + 1:
        return free() & 0xff;
      case SN_RX_RSR:
        return number === 0 ? waiting() >> 8 : 0;
      case SN_RX_RSR + 1:
        return number === 0 ? waiting() & 0xff : 0;
    }
    return socket[address] ?? 0;
  }

  write(block, address, octet) {
    const socket = this.sockets[block >> 2];
    if (block === 0) {
      this.writeCommon(address, octet);
    } else if ((block & 3) === 1) {
      this.writeSocket(block >> 2, address, octet);
    } else if (block === 2) {
      this.tx[address & this.mask(socket, SN_TXBUF_SIZE)] = octet;
    }
  }

  writeCommon(address, octet) {
    if (address === MR && octet & 0x80) {
      const selected = this.selected;
      this.reset();
      this.selected = selected;
      return;
    }
    if ([SIR, PHYCFGR, VERSIONR].includes(address) || address >= this.common.length) return;
    this.common[address] = octet;
    this.raise();
  }

  writeSocket(number, address, octet) {
    const socket = this.sockets[number];
    const readOnly = [SN_SR, SN_TX_FSR, SN_TX_FSR + 1, SN_TX_RD, SN_TX_RD + 1, SN_RX_RSR, SN_RX_RSR + 1, SN_RX_WR, SN_RX_WR + 1];
    if (readOnly.includes(address) || address >= socket.length) return;
    if (address === SN_CR) {
      this.command(number, octet);
    } else if (address === SN_IR) {
      socket[SN_IR] &= ~octet;
    } else {
      socket[address] = octet;
    }
    this.raise();
  }

  /** Taken at once: SN_CR reads as zero again. */
  command(number, command) {
    const socket = this.sockets[number];
    if (command === OPEN && number === 0 && (socket[SN_MR] & 0x0f) === 4) {
      socket[SN_SR] = MACRAW;
      this.released = 0;
      for (const pointer of [SN_TX_RD, SN_TX_WR, SN_RX_RD, SN_RX_WR]) setWord(socket, pointer, 0);
    } else if (command === CLOSE) {
      socket[SN_SR] = 0;
    } else if (command === RECV && number === 0) {
      this.released = word(socket, SN_RX_RD);
    } else if (command === SEND && number === 0 && socket[SN_SR] === MACRAW && this.sendEnd === null) {
      const length = this.distance(socket, SN_TX_RD, SN_TX_WR);
      this.sendEnd = word(socket, SN_TX_WR);
      this.sending.schedule(Math.max(length + AROUND_A_FRAME, 84) * OCTET_NS);
    }
  }

  sent() {
    const socket = this.sockets[0];
    const from = word(socket, SN_TX_RD);
    const length = (this.sendEnd - from) & 0xffff;
    const mask = this.mask(socket, SN_TXBUF_SIZE);
    const frame = Uint8Array.from({ length }, (_, at) => this.tx[(from + at) & mask]);
    setWord(socket, SN_TX_RD, this.sendEnd);
    this.sendEnd = null;
    socket[SN_IR] |= SENT;
    this.raise();
    if (this.hasLink) this.onFrame(frame);
  }

  /** A frame has come from the wire. In memory its length stands before it, and counts itself (section 4.2, Sn_MR). */
  receive(frame) {
    const socket = this.sockets[0];
    const size = this.size(socket, SN_RXBUF_SIZE);
    const waiting = (word(socket, SN_RX_WR) - this.released) & 0xffff;
    const length = frame.length + 2;
    if (socket[SN_SR] !== MACRAW || !this.hasLink || waiting + length > size) {
      this.lost++;
      return;
    }
    const to = word(socket, SN_RX_WR);
    [length >> 8, length & 0xff, ...frame].forEach((octet, at) => (this.rx[(to + at) & (size - 1)] = octet));
    setWord(socket, SN_RX_WR, (to + length) & 0xffff);
    socket[SN_IR] |= RECEIVED;
    this.raise();
  }

  socketInterrupts() {
    return this.sockets.reduce((all, socket, number) => all | (socket[SN_IR] & socket[SN_IMR] ? 1 << number : 0), 0);
  }

  raise() {
    this.interrupt((this.socketInterrupts() & this.common[SIMR]) !== 0);
  }

  size(socket, register) {
    return socket[register] * 1024;
  }

  mask(socket, register) {
    return this.size(socket, register) - 1;
  }

  distance(socket, from, to) {
    return (word(socket, to) - word(socket, from)) & 0xffff;
  }
}

function word(registers, at) {
  return (registers[at] << 8) | registers[at + 1];
}

function setWord(registers, at, value) {
  registers.set([value >> 8, value & 0xff], at);
}
