import type { Backend } from "../backend/backend";
import type { Runner } from "../backend/types/Runner";

/** Above this many single questions one list of all runners is cheaper. */
const ONE_BY_ONE = 20;

/**
 * Lists every runner again that may have changed: the live ones, and of the ended ones only those that were nudged or
 * have just left the live list. The ended may be thousands; asking for all of them at every nudge would not do.
 */
export async function renew(
  backend: Pick<Backend, "listRunners" | "getRunner">,
  known: readonly Runner[],
  nudged: ReadonlySet<string>,
  wasLive: (runner: Runner) => boolean,
): Promise<Runner[]> {
  const live = await backend.listRunners({ project: null, all: false });
  const liveIds = new Set(live.map((runner) => runner.id));
  const asked = new Set(
    [...nudged, ...known.filter(wasLive).map((runner) => runner.id)].filter((id) => !liveIds.has(id)),
  );
  if (asked.size > ONE_BY_ONE) return backend.listRunners({ project: null, all: true });
  const ended = await Promise.all(
    [...asked].map((id) =>
      backend.getRunner(id).catch((cause: { code?: string }) => {
        // A nudge may name what is gone by the time of the question.
        if (cause.code === "not-found") return null;
        throw cause;
      }),
    ),
  );
  const rest = known.filter((runner) => !liveIds.has(runner.id) && !asked.has(runner.id));
  return [...live, ...ended.filter((runner) => runner !== null), ...rest];
}
