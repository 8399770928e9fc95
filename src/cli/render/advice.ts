/** What the known words of recommended_action ask of a person. */
const ADVICE: Readonly<Record<string, string>> = {
  NONE: "nothing to do",
  RESTART_APP: "restart the application that uses the GPU",
  COMPONENT_RESET: "drain the GPU and reset it",
  RESTART_VM: "restart the virtual machine",
  RESTART_BM: "drain the node and restart the machine",
  RUN_DCGMEUD: "drain the node and run DCGM's diagnostics",
  RUN_FIELDDIAG: "drain the node and run NVIDIA's field diagnostic",
  CONTACT_SUPPORT: "contact the vendor's support",
  REPLACE_VM: "move the work to another virtual machine",
};

/** The word, and what it means where that is known. */
export function explainAction(action: string): string {
  const meaning = Object.hasOwn(ADVICE, action) ? ADVICE[action] : undefined;
  return meaning === undefined ? action : `${action}: ${meaning}`;
}
