// Rows of golden.jsonl with Node.js: npm install onnxruntime-node --ignore-scripts; node score.mjs
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import * as ort from "onnxruntime-node";

const card = JSON.parse(readFileSync("card.json", "utf8"));
const model = readFileSync("model.onnx");
if (createHash("sha256").update(model).digest("hex") !== card.digest) throw new Error("model.onnx is not that of card.json");
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const rows = readFileSync(process.argv[2] ?? "golden.jsonl", "utf8").trim().split("\n").map((line) => JSON.parse(line).inputs);
const { numeric, categorical } = card.inputs;
const feeds = {};
if (numeric.length) {
  const numbers = rows.flatMap((row) => numeric.map((name) => row[name] ?? NaN));
  feeds.numeric = new ort.Tensor("float32", Float32Array.from(numbers), [rows.length, numeric.length]);
}
if (categorical.length) {
  const texts = rows.flatMap((row) => categorical.map((name) => row[name] ?? card.missing_category));
  feeds.categorical = new ort.Tensor("string", texts, [rows.length, categorical.length]);
}
const [value, decision] = card.outputs;
const found = await session.run(feeds, card.outputs);
const width = found[value].data.length / rows.length;
rows.forEach((_, at) => {
  const values = [...found[value].data.slice(at * width, (at + 1) * width)];
  const decided = decision ? found[decision].data[at] : values[0];
  const answer = { [card.value]: width > 1 ? values : values[0], decision: card.kind === "binary" ? Boolean(decided) : decided, model_version: card.version };
  console.log(JSON.stringify(answer));
});
