/** Known words for recommended_action and their rank; a word not listed ranks just above NONE. */
const RANK: Readonly<Record<string, number>> = {
  NONE: 0,
  RESTART_APP: 2,
  COMPONENT_RESET: 3,
  RESTART_VM: 4,
  RESTART_BM: 5,
  RUN_DCGMEUD: 6,
  RUN_FIELDDIAG: 7,
  CONTACT_SUPPORT: 8,
  REPLACE_VM: 9,
};
const RANK_OF_UNKNOWN_WORD = 1;

const rankOf = (action: string): number => (Object.hasOwn(RANK, action) ? (RANK[action] ?? 0) : RANK_OF_UNKNOWN_WORD);

/** The gravest of the advices; "" where there is none. Among equals the first. */
export function gravestAction(actions: Iterable<string>): string {
  let gravest = "";
  for (const action of actions) {
    if (action !== "" && (gravest === "" || rankOf(action) > rankOf(gravest))) gravest = action;
  }
  return gravest;
}
