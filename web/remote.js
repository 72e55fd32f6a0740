// Remote OCR Model: who answers there now. It asks when the button is pressed, never by itself: opening somebody's
// workflow sends nothing anywhere.
import { button, make, status } from './dom.js'
import { ask } from './live.js'
import { t } from './words.js'

const ASKED = ['endpoint', 'model', 'family']

export function remotePanel(node, resized) {
  const element = make('section', { class: 'vw-panel vw-remote' })
  const said = status()
  const panel = { element, height: 52, show, redraw }
  let lines = []

  function redraw() {
    const found = lines.length > 0 && make('ul', { class: 'vw-lines' }, lines.map((line) => make('li', null, line)))
    element.replaceChildren(make('div', { class: 'vw-row' }, button(t('ask_endpoint'), question)), ...[found].filter(Boolean), said)
    const height = Math.min(260, 52 + lines.reduce((sum, line) => sum + 20 * Math.ceil(line.length / 45), 0))
    if (height === panel.height) return
    panel.height = height
    resized()
  }

  // of a run: the plan, which is what the button shows too
  function show(output) {
    lines = (output.text ?? []).join('\n').split('\n').filter(Boolean)
    said.textContent = ''
    redraw()
  }

  async function question() {
    said.textContent = t('asking')
    const valueOf = (name) => String(node.widgets.find((widget) => widget.name === name)?.value ?? '')
    try {
      show({ text: (await ask('endpoint', Object.fromEntries(ASKED.map((name) => [name, valueOf(name)])))).lines })
    } catch (error) {
      show({ text: [] })
      said.textContent = error.message
    }
    element.querySelector('button').focus()
  }

  redraw()
  return panel
}
