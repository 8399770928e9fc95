#!/usr/bin/env node
import { runNodeJs } from "@bufbuild/protoplugin";
import { deviceClientPlugin } from "./plugin.ts";

runNodeJs(deviceClientPlugin);
