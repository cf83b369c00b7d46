// The form: models, methods and their parameters.
import { element, make } from "./api.js";

export class Form {
  // `about` is what the viewer offers.
  constructor(about) {
    this.about = about;
    element("place").textContent = `${about.version}, models run on ${about.place}`;
    element("models").append(...about.models.map((value) => make("option", { value })));
    element("model").value = about.models[0] ?? "";
    for (const { name } of about.methods) {
      element("method").append(make("option", { value: name, textContent: name }));
    }
    element("method").value = about.default_method;
    element("method").addEventListener("change", () => this.showMethod());
    this.showMethod();
  }

  // One field per parameter, from its JSON schema.
  showMethod() {
    const method = this.about.methods.find((entry) => entry.name === element("method").value);
    element("about").textContent = `${method.title} (${method.paper})`;
    const fields = Object.entries(method.schema.properties ?? {});
    element("parameters").replaceChildren(
      ...fields.map(([name, schema]) =>
        make(
          "label",
          { className: "field" },
          make("span", { textContent: name.replaceAll("_", " ") }),
          field(name, schema),
          make("span", { className: "note", textContent: schema.description ?? "" }),
        ),
      ),
    );
  }

  // The models: one, or two that are shown side by side.
  models() {
    return ["model", "second"].map((id) => element(id).value.trim()).filter(Boolean);
  }

  // A model that fits the sample clip, where one is offered.
  suitSample() {
    const trained = this.about.models.find((name) => name === "tsm-motion") ?? this.about.models.find((name) => name.endsWith("-motion"));
    if (trained && !element("model").value.endsWith("-motion")) element("model").value = trained;
  }

  // What a task is asked, but for clip and model.
  request() {
    const options = {};
    for (const input of element("more").querySelectorAll("[data-parameter]")) {
      if (input.value !== "" && input.value !== input.dataset.default) options[input.dataset.parameter] = input.value;
    }
    if (element("evaluate").checked) options.evaluate = true;
    if (element("stability").checked) options.stability = true;
    return { method: element("method").value, target: element("target").value.trim() || "top1", options };
  }
}

function field(name, schema) {
  const kinds = schema.anyOf ?? [schema];
  const choices = kinds.flatMap((kind) => kind.enum ?? (kind.const === undefined ? [] : [kind.const]));
  const preset = schema.default === null || schema.default === undefined ? "" : [schema.default].flat().join(", ");
  let input;
  if (choices.length) {
    input = make("select", {}, ...choices.map((value) => make("option", { value, textContent: value, selected: value === schema.default })));
  } else {
    const kind = kinds.find((one) => one.type === "integer" || one.type === "number");
    input = make("input", { type: kind ? "number" : "text", placeholder: preset || "the model's own" });
    if (kind) {
      input.step = kind.type === "integer" ? 1 : "any";
      if (kind.minimum !== undefined) input.min = kind.minimum;
      if (kind.maximum !== undefined) input.max = kind.maximum;
    }
  }
  input.dataset.parameter = name;
  input.dataset.default = preset;
  return input;
}
