// Requests to the viewer's process, and small helpers of all modules.
export const { make, mount } = globalThis.VideoVisual;

export const element = (id) => document.getElementById(id);

export async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The viewer was stopped. Start it again with `videovisual ui`.");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

export async function json(path, options) {
  return (await call(path, options)).json();
}

export async function post(path, body) {
  return json(path, { method: "POST", body: body instanceof Blob ? body : JSON.stringify(body ?? {}) });
}

async function errorOf(response) {
  try {
    return new Error((await response.json()).error.message);
  } catch {
    return new Error(`The viewer answered ${response.status}.`);
  }
}

// Calls `each` with every event of a task; returns the last one, or throws if the task failed.
export async function follow(task, each) {
  const reader = (await call(`/api/tasks/${task}/events`)).body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let end = { event: "error", error: { message: "The viewer was stopped." } };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.event === "done" || event.event === "error") end = event;
      else each(event);
    }
  }
  if (end.event === "error") throw new Error(end.error.message);
  return end;
}

export function showError(error) {
  element("problem").textContent = error ? error.message : "";
  element("problem").hidden = !error;
}

export function megabytes(bytes) {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

export function score(item) {
  if (item.probability === null) return item.logit.toPrecision(3);
  const value = 100 * item.probability;
  return `${value >= 10 || value === 0 ? value.toFixed(0) : value.toPrecision(2)}%`;
}
