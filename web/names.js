// Frontends up to 1.33 lose words in other languages, newer ones a field's: ours go there.
import { api } from '../../scripts/api.js'
import { language } from './words.js'

let words = {}

export async function nameAll(defs, settings) {
  if (language() === 'en' || defs.VramwiseOCR?.display_name !== 'OCR Inference') return
  words = (await (await api.fetchApi('/i18n')).json())[language()]
  for (const [id, { inputs, outputs, ...said }] of Object.entries(words.nodeDefs)) {
    if (!id.startsWith('Vramwise') || !defs[id]) continue
    Object.assign(defs[id], said, { output_tooltips: Object.values(outputs).map((one) => one.tooltip) })
    for (const slots of Object.values(defs[id].input))
      for (const [name, slot] of Object.entries(slots)) slot[1] = { ...slot[1], tooltip: inputs[name]?.tooltip }
  }
  for (const one of settings) {
    const { options, ...said } = words.settings[one.id.replace('.', '_')]
    Object.assign(one, said, { options: one.options?.map(({ text, value }) => ({ value, text: options[text] })) })
    one.category = one.category.map((name) => words.settingsCategories[name] ?? name)
  }
}

export function nameSlots(node) {
  const its = words.nodeDefs?.[node.comfyClass]
  for (const one of node.widgets ?? []) {
    one.label = its?.inputs[one.name]?.name ?? one.label
    if (one.label && one.element?.placeholder === one.name) one.element.placeholder = one.label
  }
  if (!its) return
  for (const one of node.inputs) one.localized_name = its.inputs[one.name]?.name
  node.outputs.forEach((one, at) => (one.localized_name = its.outputs[at].name))
}
