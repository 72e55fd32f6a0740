// Remote OCR Model: who answers there now, asked when the button is pressed.
import { button, div, fitted, frame, list, put, status } from './dom.js'
import { valuesOf } from './graph.js'
import { order } from './live.js'
import { t } from './words.js'

const ASKED = ['endpoint', 'model', 'family']

export function remotePanel(node, resized) {
  const element = frame('remote')
  const said = status()
  const panel = { element, height: 52, show, redraw }
  let lines = []

  function redraw() {
    put(element, div('vw-row', button(t('ask_endpoint'), question)), lines.length > 0 && list('vw-lines', lines), said)
    fitted(panel, resized)
  }

  // of a run: the plan, which is what the button shows too
  function show(output) {
    said.textContent = ''
    tell((output.text ?? []).join('\n').split('\n'))
  }

  function tell(all = []) {
    lines = all.filter(Boolean)
    redraw()
  }

  async function question() {
    panel.asked = true
    said.textContent = t('asking')
    const found = await order('endpoint', valuesOf(node, ASKED), said)
    tell(found?.lines)
    element.querySelector('button').focus()
  }

  redraw()
  return panel
}
