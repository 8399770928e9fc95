import { playInformer } from "./informer-run.ts";
import { serveShard } from "./shards.ts";

serveShard((seed, _run, count) => playInformer(seed, count));
