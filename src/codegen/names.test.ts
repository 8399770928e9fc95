import { expect, test } from "bun:test";
import { accessorOf, besideProto, groupVersionOf, kebab, lowerCamel, pluralsOf } from "./names.ts";

test.each([
  ["Gpu", "Gpus", "gpus", "gpu"],
  ["Nic", "Nics", "nics", "nic"],
  ["NVSwitch", "NVSwitches", "nvSwitches", "nv-switch"],
  ["GPU", "GPUs", "gpus", "gpu"],
  ["GPUDevice", "GPUDevices", "gpuDevices", "gpu-device"],
  ["Proxy", "Proxies", "proxies", "proxy"],
  ["Relay", "Relays", "relays", "relay"],
  ["Bus", "Buses", "buses", "bus"],
  ["Box", "Boxes", "boxes", "box"],
  ["PciE5Slot", "PciE5Slots", "pciE5Slots", "pci-e5-slot"],
])("%s has the plural %s, the accessor %s and the file %s.gen.ts", (kind, plural, accessor, file) => {
  expect(pluralsOf(kind)).toEqual([plural]);
  expect(accessorOf(kind, plural)).toBe(accessor);
  expect(kebab(kind)).toBe(file);
});

test.each([
  ["GPU", "gpu"],
  ["GPUs", "gpUs"],
  ["Gpu", "gpu"],
  ["NVSwitch", "nvSwitch"],
])("%s in lower camel case is %s", (kind, lower) => {
  expect(lowerCamel(kind)).toBe(lower);
});

test.each([
  ["nvidia.device.v1alpha1", "deviceV1alpha1", "DeviceV1alpha1"],
  ["acme.fabric_links.v2", "fabricLinksV2", "FabricLinksV2"],
  ["device.v1", "deviceV1", "DeviceV1"],
  ["a.b.device.v10beta2", "deviceV10beta2", "DeviceV10beta2"],
])("the package %s is reached by %s()", (packageName, accessor, typePrefix) => {
  expect(groupVersionOf(packageName)).toEqual({ packageName, accessor, typePrefix });
});

test.each(["", "v1", "nvidia.device", "nvidia.device.v0", "nvidia.device.v1gamma1", "nvidia.v1.device", "device.1"])(
  "the package %p ends in no group and version",
  (packageName) => {
    expect(groupVersionOf(packageName)).toBeUndefined();
  },
);

test("files lie where those of protoc-gen-es do", () => {
  expect(besideProto("device/v1/nic", "nic")).toBe("device/v1/nic.gen");
  expect(besideProto("nic", "client")).toBe("client.gen");
});
