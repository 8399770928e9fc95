import { expect, test } from "bun:test";
import { ApiError, type ErrorCode } from "../errors.ts";
import { Redialer } from "./redialer.ts";

class FakeChannel {
  ready = true;
  closed = 0;
  isReady = () => this.ready;
  close = () => {
    this.closed++;
  };
}

function fixture() {
  const dialled: FakeChannel[] = [];
  const redialer = new Redialer(async () => {
    const channel = new FakeChannel();
    dialled.push(channel);
    return channel;
  });
  return { dialled, redialer };
}

const error = (code: ErrorCode) => new ApiError(code, "");

test("calls share one channel, one dial for those that ask at once, and keep it when they are over", async () => {
  const { dialled, redialer } = fixture();
  for (const lease of await Promise.all([redialer.acquire(), redialer.acquire()])) lease[Symbol.dispose]();
  using later = await redialer.acquire();
  expect(dialled).toEqual([later.channel]);
  expect(later.channel.closed).toBe(0);
});

test.each([
  ["UNAVAILABLE", false, 2],
  ["DEADLINE_EXCEEDED", false, 2],
  ["UNAVAILABLE", true, 1],
  ["DEADLINE_EXCEEDED", true, 1],
  ["CANCELLED", false, 1],
  ["INTERNAL", false, 1],
] as const)("after %s with the transport standing: %p there have been %i dials", async (code, ready, dials) => {
  const { dialled, redialer } = fixture();
  const lease = await redialer.acquire();
  lease.channel.ready = ready;
  const failure = error(code);
  expect(lease.failed(failure)).toBe(failure);
  lease[Symbol.dispose]();
  using next = await redialer.acquire();
  expect(dialled.length).toBe(dials);
  expect(next.channel).toBe(dialled.at(-1) as FakeChannel);
  expect(dialled[0]?.closed).toBe(dials - 1);
});

test("a channel that was given up lives until the last call on it is over, and is given up once", async () => {
  const { dialled, redialer } = fixture();
  const [first, second] = [await redialer.acquire(), await redialer.acquire()];
  first.channel.ready = false;
  first.failed(error("UNAVAILABLE"));
  first[Symbol.dispose]();
  expect(dialled[0]?.closed).toBe(0);
  using third = await redialer.acquire();
  second.failed(error("UNAVAILABLE"));
  second[Symbol.dispose]();
  await Bun.sleep(0);
  expect(dialled[0]?.closed).toBe(1);
  using fourth = await redialer.acquire();
  expect(fourth.channel).toBe(third.channel);
});

test("a dial that fails tells all who wait for it, and the next call dials again", async () => {
  let dials = 0;
  const redialer = new Redialer<FakeChannel>(async () => {
    dials++;
    if (dials === 1) throw error("FAILED_PRECONDITION");
    return new FakeChannel();
  });
  const outcomes = await Promise.allSettled([redialer.acquire(), redialer.acquire()]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  using lease = await redialer.acquire();
  expect([dials, lease.channel.closed]).toEqual([2, 0]);
});

test("close closes every channel, those that were given up too", async () => {
  const { dialled, redialer } = fixture();
  const first = await redialer.acquire();
  first.channel.ready = false;
  first.failed(error("UNAVAILABLE"));
  await redialer.acquire();
  redialer.close();
  await Bun.sleep(0);
  expect(dialled.map(({ closed }) => closed)).toEqual([1, 1]);
});
