//! The box as a board's firmware composes it: what it does stands in its settings, which are in flash, and is changed at its
//! console.

use std::cell::{Cell, RefCell};

use chacha20::ChaCha8Rng;
use embassy_net::StackResources;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_console::{Console, Level};
use gatelet_hal::{FramePool, PortId};
use gatelet_proto::connectivity::Engine;
use gatelet_proto::redial::Boot;
use gatelet_router::{Command, Router, TableSpace};
use gatelet_runtime::settings::{FlashSettings, SettingsDesk, SettingsStore as _, Sides};
use gatelet_runtime::{
    ConsoleEnd, ConsoleSide, FlashLeases, FlashLedger, Gatelet, LedgerStore as _, PlainHttp, UpdateDesk,
    UpdateSpace,
};
use gatelet_settings::Settings;
use rand_core::{Rng as _, SeedableRng as _};
use smoltcp::time::Instant;

use super::{
    Checks, Director, Dns, FLOWS, Gateway, HOSTS, LAN_FRAME_LEN, LAN_FRAMES, LAN_MAC, LAN_PORT, LAN_SOCKETS,
    Network, PORTS, Power, RESERVED, ROUTER_MAC, Run, SOCKETS, Seat, Side, VERSION, WAN, WAN_PORT,
    carry_commands, drive, flash, pacer, recall, run_errands, tell_events,
};
use crate::executor::{Executor, Mode, Stuck};

/// Sockets of the `wan` stack: two more, of the console's ping and its look-ups.
const WAN_SOCKETS: usize = SOCKETS + 2;
const SIDES: Sides = Sides { wan: WAN_PORT, lan: LAN_PORT };

impl Gateway {
    /// Puts settings into its flash, as a commit does.
    ///
    /// # Errors
    /// [`Stuck`], which a flash that works never is.
    ///
    /// # Panics
    /// If there is no room in the flash for them.
    pub fn keep(&mut self, settings: &Settings) -> Result<(), Stuck> {
        let mut store = FlashSettings::new(self.flash.clone(), flash::SETTINGS).expect("two banks");
        let stored = Executor::new(Mode::Virtual).run_until(store.store(settings))?;
        stored.expect("a bank has room for all settings there can be");
        Ok(())
    }

    /// From power-on to power-off, with what the settings say and who sits at the console.
    #[expect(clippy::too_many_lines, reason = "the box, part by part")]
    pub(super) fn live_by_settings(
        &mut self,
        network: &RefCell<Network<'_>>,
        director: &RefCell<dyn Director + '_>,
        run: &mut Run<'_>,
        booted: Instant,
    ) -> Result<Instant, Stuck> {
        let frames = Box::new(FramePool::<NoopRawMutex, LAN_FRAMES>::new());
        let pool = frames.pool();
        for port in [WAN_PORT, LAN_PORT, PortId::LOCAL] {
            pool.reserve(port, RESERVED).expect("the pool has as many frames");
        }
        let mut tables = Box::new(TableSpace::<FLOWS, HOSTS>::new());
        let (desk, update_desk) = (SettingsDesk::empty(SIDES), UpdateDesk::new());
        let mut gatelet: Gatelet<'_, NoopRawMutex, PORTS> = Gatelet::new(pool);
        gatelet.lend_settings(&desk);
        gatelet.lend_tunnel_updates(&update_desk);
        let mut wan_resources = StackResources::<WAN_SOCKETS>::new();
        let mut lan_resources = StackResources::<LAN_SOCKETS>::new();
        let (mut names, mut updates) = (Box::new(Dns::new()), Box::new(UpdateSpace::new()));
        let mut rng = ChaCha8Rng::from_rng(&mut self.rng);
        let mut checks = self.checks();
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let mut router = Router::new(pool, seed);
        router.add_port(WAN_PORT, ROUTER_MAC, self.max_frame_len);
        router.add_port(LAN_PORT, LAN_MAC, LAN_FRAME_LEN);
        router.lend_tables(tables.lend());
        let mut ledger: FlashLedger<_> =
            FlashLedger::new(self.flash.clone(), flash::LEDGER).expect("two whole sectors");
        let mut leases = FlashLeases::new(self.flash.clone(), flash::LEASES).expect("two whole sectors");
        let mut settings = FlashSettings::new(self.flash.clone(), flash::SETTINGS).expect("two banks");
        let retained = self.retained.take();
        let forgets = Cell::new(false);
        let mut console = Console::new(Instant::ZERO, VERSION);
        let now = {
            let mut executor = Executor::booting_at(run.mode, booted);
            let (end, pacer) = (run.end, pacer(network, run));
            if let Some(pacer) = pacer {
                executor.set_pacer(pacer);
            }
            executor.run_until(async {
                let now = gatelet_runtime::now();
                let mut complain = |complaint| console.log(now, Level::Warning, format_args!("{complaint}"));
                desk.load(&mut settings, &mut complain).await;
                let (boot, past) = match retained {
                    Some(ledger) => (Boot::Warm, Some(ledger)),
                    None => (Boot::Cold, ledger.load(WAN).await),
                };
                if !desk.set_up(&mut router, gatelet_runtime::now(), boot, past) {
                    console.log(now, Level::Error, format_args!("the router does not take the settings"));
                }
                recall(&mut router, &mut leases).await;
            })?;
            executor.spawn("port", gatelet.run_port(WAN_PORT, self.port(Side::Wan, network)));
            executor.spawn("LAN port", gatelet.run_port(LAN_PORT, self.port(Side::Lan, network)));
            let (checks, probes): (Vec<&Checks>, Vec<_>) =
                checks.iter_mut().map(|(checks, space, rng)| (&*checks, (space, rng))).unzip();
            executor.spawn("events", tell_events(&gatelet, checks.clone(), network, booted));
            executor.spawn("commands", carry_commands(&gatelet, network));
            let wan_stack = gatelet.wan_stack(WAN, &mut wan_resources, rng.next_u64());
            let (stack, runner) =
                wan_stack.expect("a frame is reserved, and nobody else follows the session");
            executor.spawn("stack", runner.run());
            let lan_stack = gatelet.lan_stack(&mut lan_resources, rng.next_u64());
            let (lan_stack, runner) = lan_stack.expect("a frame is reserved, and this is the first");
            executor.spawn("LAN stack", runner.run());
            executor.spawn("user", run_errands(stack, network));
            for (checks, (space, rng)) in checks.iter().zip(probes) {
                executor.spawn("connectivity", gatelet.run_connectivity(checks, stack, space, rng));
            }
            // What `Gatelet::run_services` does, in tasks apart: who asks a socket whether something has come wakes its stack, so in
            // one task with it neither would ever rest, and virtual time would stand still.
            let (dns, servers) = desk.read(|settings| {
                gatelet.follow_tunnel_settings(settings);
                (settings.dns(), settings.ntp_servers().map(str::to_owned).collect::<Vec<_>>())
            });
            let (stacks, mut generator) = ((lan_stack, stack), || ChaCha8Rng::from_rng(&mut rng));
            executor.spawn("DNS", gatelet.run_dns(WAN, stacks, dns, &mut names, generator()));
            executor
                .spawn("tunnel updates", gatelet.run_tunnel_updates(WAN, stacks, PlainHttp, &mut updates));
            executor.spawn("leases", gatelet.run_leases(&mut leases));
            executor.spawn("settings", desk.run(&mut settings));
            let (gatelet, rng) = (&gatelet, generator());
            executor.spawn("SNTP", async move {
                let servers: Vec<_> = servers.iter().map(String::as_str).collect();
                gatelet.run_sntp(WAN, stack, &servers, rng).await
            });
            let seat = self.seat.as_ref().unwrap_or(&Seat::Script);
            let (desk, forgets, console) = (&desk, &forgets, &mut console);
            executor.spawn("console", async move {
                let engines = &|show: &mut dyn FnMut(&Engine<'_>)| {
                    for checks in &checks {
                        checks.look(|engine| show(engine));
                    }
                };
                let probe = &|| {
                    for checks in &checks {
                        checks.check_now();
                    }
                    !checks.is_empty()
                };
                let is_terminal = matches!(seat, Seat::Terminal(_));
                let side = ConsoleSide { settings: desk, stack: Some(stack), engines, probe, is_terminal };
                let end = seat.talk(gatelet, console, &side, network).await;
                forgets.set(end == ConsoleEnd::FactoryReset);
                gatelet.commands().send(Command::Shutdown).await;
            });
            let (router, ledger) = (&mut router, &mut ledger);
            executor.spawn("router", async move {
                gatelet.run_router(router, ledger).await;
                // Who has said goodbye to the carrier starts anew.
                network.borrow_mut().set_power(Power::Reset);
            });
            executor.run_until(drive(network, director, end))?;
            executor.now()
        };
        let mut network = network.borrow_mut();
        network.drop_received();
        if forgets.get() {
            self.flash.forget();
        } else if network.power() == Power::Reset {
            self.retained = router.snapshot(Instant::ZERO + (now - booted), WAN);
        }
        Ok(now)
    }
}
