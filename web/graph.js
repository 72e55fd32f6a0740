// What stands in the graph: nodes by what ComfyUI calls them, their widgets, and the room around them.
import { app } from '../../scripts/app.js'

export const widgetOf = (node, name) => node?.widgets?.find((one) => one.name === name)
export const valueOf = (node, name) => widgetOf(node, name)?.value
export const valuesOf = (node, names) => Object.fromEntries(names.map((name) => [name, String(valueOf(node, name) ?? '')]))

// Does `work` first where the object's method is called.
export function precede(object, name, work) {
  const before = object[name]
  object[name] = function (...all) {
    work(...all)
    return before?.apply(this, all)
  }
}

// A new node keeps its values: frontend 1.49.6 gives it what its number had in an emptied graph.
export function holdValues(node) {
  let own
  const note = () => (own = node.graph ? own : node.widgets?.map((one) => [one, one.value]))
  note()
  precede(node, 'onConfigure', note)
  precede(node, 'onAdded', () => {
    for (const [one, value] of own ?? []) one.value = value
    own = null
  })
}

export const linked = (node, slot) => (slot?.links ?? []).map((id) => node.graph?.getNodeById(node.graph.getLink?.(id)?.target_id))

// How high a node may be: down to the title bar of the next one below.
export function room(node) {
  const [left, top] = node.pos
  const below = node.graph.nodes.filter((one) => one.pos[1] > top && one.pos[0] < left + node.size[0] && one.pos[0] + one.size[0] > left)
  return Math.min(...below.map((one) => one.pos[1] - 40 - top))
}

// A node by the id that ComfyUI's messages have: "12", or "7:12" inside subgraph node 7.
export function nodeOf(id) {
  let graph = app.graph
  const path = String(id).split(':')
  for (const step of path.slice(0, -1)) graph = graph?.getNodeById(Number(step))?.subgraph
  return graph?.getNodeById(Number(path.at(-1)))
}

// ... or by the key that outputs are kept under: "12", or "<subgraph's uuid>:12".
export function nodeOfOutput(key) {
  const [where, id] = key.includes(':') ? key.split(':') : [null, key]
  const graph = where ? app.graph.subgraphs?.get(where) : app.graph
  return graph?.getNodeById(Number(id))
}
