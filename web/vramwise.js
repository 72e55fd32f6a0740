// VRAMwise in the browser: panels on its nodes, a sidebar tab, settings and commands. Comfort only: every node
// works without any of it.
import { app } from '../../scripts/app.js'
import { api } from '../../scripts/api.js'
import { adviceTable, useInLoader } from './advice.js'
import { make } from './dom.js'
import { ask, watch } from './live.js'
import { loaderPanel } from './loader.js'
import { deviceBar, releaseBars } from './memory.js'
import { keepEvents, pagesPanel } from './pages.js'
import { remotePanel } from './remote.js'
import { scorePanel } from './score.js'
import { sidebar } from './sidebar.js'
import { language, loadWords, setting, t } from './words.js'

const NAME = 'vramwise_panel'
const TAB = 'vramwise'
const MARGIN = 6

// How each node's panel is made and what it is called. `early` ones are open before the node has run, the others from
// its first output on.
const PANELS = {
  VramwiseOCRModelLoader: { early: true, make: loaderPanel, label: 'loader_panel' },
  VramwiseRemoteOCRModel: { early: true, make: remotePanel, label: 'remote_panel' },
  VramwiseGPUProbe: { early: true, make: probePanel, label: 'probe_panel' },
  VramwiseOCR: { make: pagesPanel, label: 'pages_panel' },
  VramwiseOCRScore: { make: scorePanel, label: 'score_panel' },
  VramwiseMemoryRelease: { make: releasePanel, label: 'release_panel' },
  VramwiseModelAdvisor: { make: advisorPanel, label: 'advisor_panel' }
}

function probePanel(node, resized) {
  const element = make('section', { class: 'vw-panel' })
  const panel = { element, height: 96, remove: () => live.stop() }
  const live = watch(
    element,
    () => `machine?lang=${language()}`,
    (found) => {
      element.replaceChildren(...found.devices.map(deviceBar))
      const height = 30 + 66 * found.devices.length
      if (height === panel.height) return
      panel.height = height
      resized()
    },
    (sentence) => element.replaceChildren(make('p', { class: 'vw-error' }, sentence))
  )
  return panel
}

function releasePanel() {
  const element = make('section', { class: 'vw-panel' })
  const panel = { element, height: 150, show: (output) => ((panel.last = output.release?.[0]), panel.redraw()) }
  panel.redraw = () => panel.last && element.replaceChildren(...releaseBars(panel.last))
  return panel
}

function advisorPanel(node) {
  const element = keepEvents(make('section', { class: 'vw-panel' }))
  const panel = { element, height: 300 }
  panel.show = (output) => {
    const table = adviceTable((one) => useInLoader(node.graph, node)(one))
    table.show((output.advice ?? []).flatMap((one) => one.models))
    element.replaceChildren(table.element)
  }
  return panel
}

const panels = new WeakMap()

// The panel of a node, put on it at the first call as its last widget; it is never saved or sent.
function panelOf(node) {
  if (panels.has(node)) return panels.get(node)
  const kind = PANELS[node.comfyClass]
  const panel = kind.make(node, () => fit())
  const { element } = panel
  panels.set(node, panel)
  const widget = node.addDOMWidget(NAME, NAME, element, {
    getValue: () => '',
    setValue() {},
    getMinHeight: () => (widget?.hidden ? 0 : panel.height),
    margin: MARGIN,
    serialize: false
  })
  widget.serialize = false

  function fit() {
    element.style.display = widget.hidden ? 'none' : ''
    // in Nodes 2.0 all else on a node is taller: a panel that can do with less leaves the node its size
    const least = (setting('Comfy.VueNodes.Enabled') && panel.least) || panel.height
    element.style.minHeight = `${least - 2 * MARGIN}px`
    if (widget.hidden || !node.graph) return
    node.setSize?.([node.size[0], Math.max(node.size[1], node.computeSize()[1])])
    node.setDirtyCanvas?.(true, true)
  }

  // Where a node comes in the moment in which one of its id goes (an undo), Nodes 2.0 keeps the old one's element.
  function settle() {
    if (element.isConnected || node.graph !== app.canvas.graph) return
    document.querySelector(`[data-node-id="${node.id}"] .vw-panel`)?.replaceWith(element)
  }

  panel.open = () => {
    setTimeout(settle, 50)
    if (!widget.hidden) return
    widget.hidden = false
    fit()
  }
  widget.hidden = !kind.early
  setTimeout(settle, 50)
  fit()
  loadWords().then(() => {
    element.setAttribute('aria-label', t(kind.label))
    panel.redraw?.()
  })
  const removed = node.onRemoved
  node.onRemoved = function (...all) {
    panel.remove?.()
    return removed?.apply(this, all)
  }
  return panel
}

// Opening a large workflow does not wait for panels: they come a few at a time, when the page has nothing to do.
const later = []
const idle = window.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 8 }), 30))

function soon(node) {
  if (later.push(node) === 1) idle(some, { timeout: 500 })
}

function some(deadline) {
  do {
    const node = later.shift()
    if (node?.graph) panelOf(node)
  } while (later.length && deadline.timeRemaining() > 4)
  if (later.length) idle(some, { timeout: 500 })
}

async function show(node, output) {
  if (!output || !PANELS[node?.comfyClass]) return
  await loadWords()
  const panel = panelOf(node)
  if (!panel.show) return
  panel.show(output)
  panel.open()
  node.setDirtyCanvas?.(true, true)
}

// A node by the id that ComfyUI's messages have: "12", or "7:12" inside subgraph node 7.
function nodeOf(id) {
  let graph = app.graph
  const path = String(id).split(':')
  for (const step of path.slice(0, -1)) graph = graph?.getNodeById(Number(step))?.subgraph
  return graph?.getNodeById(Number(path.at(-1)))
}

// ... or by the key that outputs are kept under: "12", or "<subgraph's uuid>:12".
function nodeOfOutput(key) {
  const [where, id] = key.includes(':') ? key.split(':') : [null, key]
  const graph = where ? app.graph.subgraphs?.get(where) : app.graph
  return graph?.getNodeById(Number(id))
}

// The text that is being generated. The frontend's own line for it goes: it says the same once more.
async function running({ detail }) {
  const node = nodeOf(detail?.nodeId)
  if (node?.comfyClass !== 'VramwiseOCR' || !detail.text) return
  await loadWords()
  panelOf(node).stream(detail.text)
  panelOf(node).open()
  const twice = node.widgets?.find((one) => one.name === '$$node-text-preview')
  if (twice) node.removeWidget?.(twice)
}

async function evictAll() {
  await loadWords()
  const toast = (severity, detail) => app.extensionManager.toast.add({ severity, summary: 'VRAMwise', detail, life: 4000 })
  try {
    await ask('evict', { all: true })
    toast('success', t('evicted'))
  } catch (error) {
    toast('error', error.message)
  }
}

function openTab() {
  if (app.extensionManager.sidebarTab?.activeSidebarTabId !== TAB) app.extensionManager.command.execute(`Workspace.ToggleSidebarTab.${TAB}`)
}

// %KSampler.seed% in a file's name is filled in as the prompt is sent, as for Save Image: with another seed it is
// another name, and the node runs again. The server fills in what is left, dates too, and all of it over the API.
function fillWidgetTokens(node) {
  const widget = node.widgets?.find((one) => one.name === 'filename_prefix')
  const fill = window.comfyAPI?.utils?.applyTextReplacements
  if (!widget || !fill) return
  widget.serializeValue = () =>
    String(widget.value).replace(/%[^%]+%/g, (token) => (/^%date:|^[^.]*$/.test(token) ? token : fill(app, token)))
}

app.registerExtension({
  name: 'vramwise',
  settings: [
    { id: 'Vramwise.Units', category: ['VRAMwise', 'Display', 'Units'], name: 'Units of memory', type: 'combo', options: ['GiB', 'GB'], defaultValue: 'GiB', tooltip: 'GiB is 1024^3 bytes, GB is 10^9 bytes.' },
    { id: 'Vramwise.PollSeconds', category: ['VRAMwise', 'Display', 'Polling'], name: 'Seconds between looks at the memory', type: 'slider', attrs: { min: 1, max: 30, step: 1 }, defaultValue: 2, tooltip: 'Only while something that shows it can be seen.' },
    { id: 'Vramwise.DownloadSource', category: ['VRAMwise', 'Models', 'Source'], name: 'Download models from', type: 'combo', options: [{ text: 'as the server is set', value: '' }, { text: 'Hugging Face', value: 'huggingface' }, { text: 'ModelScope', value: 'modelscope' }], defaultValue: '', tooltip: 'Nothing is fetched before the Download button is pressed.' }
  ],
  commands: [
    { id: 'Vramwise.EvictAll', label: 'VRAMwise: evict all OCR models', icon: 'pi pi-eject', function: evictAll },
    { id: 'Vramwise.OpenAdvisor', label: 'VRAMwise: open the advisor', icon: 'pi pi-microchip', function: openTab }
  ],
  menuCommands: [{ path: ['Extensions', 'VRAMwise'], commands: ['Vramwise.EvictAll', 'Vramwise.OpenAdvisor'] }],

  async setup() {
    document.head.append(make('link', { rel: 'stylesheet', href: new URL('./vramwise.css', import.meta.url).href }))
    await loadWords()
    api.addEventListener('progress_text', running)
    let close = null
    const render = (root) => {
      close?.then((stop) => stop())
      close = sidebar(root, () => app.graph, () => render(root))
    }
    app.extensionManager.registerSidebarTab({
      id: TAB,
      icon: 'pi pi-microchip',
      title: 'VRAMwise',
      tooltip: 'VRAMwise',
      type: 'custom',
      render,
      destroy() {
        close?.then((stop) => stop())
        close = null
      }
    })
  },

  nodeCreated(node) {
    if (node.comfyClass === 'VramwiseSaveText') fillWidgetTokens(node)
    const kind = PANELS[node.comfyClass]
    if (!kind) return
    // Nodes 2.0 does not always notice a widget that comes after the node, so there all are on it, hidden
    if (setting('Comfy.VueNodes.Enabled')) panelOf(node)
    else if (kind.early) soon(node)
    const before = node.onExecuted
    node.onExecuted = function (output) {
      before?.apply(this, arguments)
      show(this, output)
    }
  },

  // outputs of a run that was made before the page was opened, or of another tab's workflow
  onNodeOutputsUpdated(outputs) {
    for (const [key, output] of Object.entries(outputs ?? {})) show(nodeOfOutput(key), output)
  }
})
