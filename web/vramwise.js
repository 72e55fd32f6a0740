// VRAMwise in the browser: panels on its nodes, a sidebar tab, settings and commands. Every node works without it.
import { app } from '../../scripts/app.js'
import { api } from '../../scripts/api.js'
import { adviceList, useInLoader } from './advice.js'
import { MARGIN, fault, fitted, frame, make, put } from './dom.js'
import { holdValues, nodeOf, nodeOfOutput, precede, room, widgetOf } from './graph.js'
import { ask, watch } from './live.js'
import { namesAddition } from './languages.js'
import { loaderPanel } from './loader.js'
import { deviceBar, releaseBars } from './memory.js'
import { nameAll, nameSlots } from './names.js'
import { keepEvents, pagesPanel } from './pages.js'
import { remotePanel } from './remote.js'
import { scorePanel } from './score.js'
import { sidebar } from './sidebar.js'
import { data, loadWords, setting, t } from './words.js'

const NAME = 'vramwise_panel'
const TAB = 'vramwise'
const LEAST = 46 // of a panel's height: what is longer scrolls inside

// Each node's panel. `early` ones show something before a run.
const PANELS = {
  VramwiseOCRModelLoader: { early: true, make: loaderPanel },
  VramwiseRemoteOCRModel: { early: true, make: remotePanel },
  VramwiseGPUProbe: { early: true, make: probePanel },
  VramwiseOCR: { make: pagesPanel },
  VramwiseOCRScore: { make: scorePanel },
  VramwiseMemoryRelease: { make: releasePanel },
  VramwiseModelAdvisor: { make: advisorPanel }
}

function probePanel(node, resized) {
  const element = frame('probe')
  const panel = { element, height: 96, remove: () => live.stop() }
  const live = watch(
    element,
    () => 'machine',
    (found) => {
      put(element, found.devices.map(deviceBar))
      fitted(panel, resized)
    },
    (sentence) => put(element, fault(sentence))
  )
  return panel
}

function releasePanel() {
  const element = frame('release')
  let last = null

  function show(output) {
    last = output.release?.[0]
    redraw()
  }

  const redraw = () => last && put(element, releaseBars(last))
  return { element, height: 134, show, redraw }
}

function advisorPanel(node) {
  const element = keepEvents(frame('advisor'))
  const panel = { element, height: 340 }
  panel.show = (output) => {
    const list = adviceList((one) => useInLoader(node.graph, node)(one))
    if (output.advice?.length) list.show(output.advice)
    put(element, output.advice?.length ? list.element : make('pre', { tabindex: 0 }, output.text?.[0]))
  }
  return panel
}

const panels = new WeakMap()
const ours = (node) => node.comfyClass?.startsWith('Vramwise')
const inVue = () => setting('Comfy.VueNodes.Enabled')

// The panel of a node, at the first call its last widget, never saved or sent. It takes the room that the node has; a
// new node is as high as it wants.
function panelOf(node) {
  if (panels.has(node)) return panels.get(node)
  const kind = PANELS[node.comfyClass]
  const panel = kind.make(node, () => fit())
  const { element } = panel
  element.classList.add('widget-expands') // Nodes 2.0 then gives it the height that is left
  panels.set(node, panel)
  let opened = false
  const wants = () => opened || fresh.has(node)
  const widget = node.addDOMWidget(NAME, NAME, element, {
    getValue: () => '',
    setValue() {},
    getMinHeight: () => (widget?.hidden ? 0 : LEAST),
    margin: MARGIN,
    serialize: false,
    hideInPanel: true
  })
  widget.serialize = false

  function fit() {
    element.style.display = widget.hidden ? 'none' : ''
    element.style.minHeight ||= `${LEAST - 2 * MARGIN}px`
    if (widget.hidden || !node.graph) return
    grow(node.computeSize()[1] + panel.height - LEAST)
    if (panel.asked) setTimeout(settle, 50)
    node.setDirtyCanvas?.(true, true)
  }

  // one that a file has given its size keeps it, until a person asks its panel for more
  function grow(wanted) {
    if ((!wants() && !panel.asked) || inVue()) return
    const height = Math.min(wanted, Math.max(room(node), node.computeSize()[1]))
    if (height > node.size[1]) node.setSize([node.size[0], height])
  }

  // Where a node comes as one of its id goes (an undo), Nodes 2.0 keeps the old element; and rows are taller there than
  // the canvas says.
  function settle(tries = 4) {
    if (app.canvas.graph.getNodeById(node.id) !== node) return
    if (!element.isConnected) document.querySelector(`[data-node-id="${node.id}"] .vw-panel`)?.replaceWith(element)
    const now = element.clientHeight
    const lacks = panel.height - 2 * MARGIN - now
    if ((wants() || panel.asked) && !widget.hidden && now && lacks > 4 && inVue()) {
      const outer = element.closest('[data-node-id]').offsetHeight
      element.style.minHeight = `${Math.max(now, Math.min(now + lacks, room(node) + 30 - outer + now))}px`
    }
    if (tries) setTimeout(settle, 400 / tries, tries - 1)
  }

  panel.open = () => {
    opened ||= widget.hidden
    setTimeout(settle, 50)
    if (!widget.hidden) return
    widget.hidden = false
    fit()
  }
  widget.hidden = !kind.early
  // once the node has the size that a file gives it
  panel.ready = () => {
    if (!widget.hidden || !node.graph) return
    widget.hidden = !fresh.has(node) && node.size[1] - node.computeSize()[1] < LEAST + 20
    fit()
  }
  const later = make('p', { class: 'vw-note' })
  if (!kind.early) element.append(later)
  setTimeout(settle, 50)
  fit()
  // Nodes 2.0 shares room among rows: a question keeps its lines, the panel gets the rest
  new window.ResizeObserver(() => {
    const rows = element.closest('.lg-node-widgets')?.style
    if (rows) rows.gridTemplateRows = rows.gridTemplateRows.replace(/auto(?=.* auto)/g, 'min-content')
  }).observe(element)
  loadWords().then(() => {
    element.setAttribute('aria-label', t(`panel_${element.dataset.panel}`))
    later.textContent = t('after_run')
    panel.redraw?.()
  })
  precede(node, 'onRemoved', () => panel.remove?.())
  return panel
}

// Nodes that no file, copy or undo has given a size: it is theirs to choose.
const fresh = new WeakSet()

// A large workflow waits for no panel: a few at a time come in idle moments.
const later = []
const idle = window.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 8 }), 30))

function soon(node) {
  if (later.push(node) === 1) idle(some, { timeout: 500 })
}

function some(deadline) {
  do {
    const node = later.shift()
    if (node.graph?.getNodeById(node.id) === node) panelOf(node).ready()
  } while (later.length && deadline.timeRemaining() > 4)
  if (later.length) idle(some, { timeout: 500 })
}

// Has a node's panel show something; `does` is its method.
async function tell(node, does, what) {
  await loadWords()
  const panel = panelOf(node)
  panel[does]?.(what)
  if (panel[does]) panel.open()
}

const show = (node, output) => output && PANELS[node?.comfyClass] && tell(node, 'show', flat(output))

// Newer ComfyUI gets what only panels draw a list deeper.
const flat = (output) => Object.fromEntries(Object.entries(output).map(([key, values]) => [key, values?.flat?.() ?? values]))

// Text as it is generated; the frontend's own line goes: it says the same.
async function running({ detail }) {
  const node = nodeOf(detail?.nodeId)
  if (node?.comfyClass !== 'VramwiseOCR' || !detail.text) return
  await tell(node, 'stream', detail.text)
  const twice = widgetOf(node, '$$node-text-preview')
  if (twice) node.removeWidget?.(twice)
}

// A run refused for want of what can be fetched: its sentence stays, with the button.
function refused({ detail }) {
  const node = nodeOf(detail?.node_id)
  if (node?.comfyClass === 'VramwiseOCR' && namesAddition(detail.exception_message ?? '')) tell(node, 'refuse', detail.exception_message)
}

const toast = (severity, detail, more = { life: 4000 }) => app.extensionManager.toast.add({ severity, summary: 'VRAMwise', detail, ...more })

async function evictAll() {
  await loadWords()
  try {
    await ask('evict', { all: true })
    toast('success', t('evicted'))
  } catch (error) {
    toast('error', error.message)
  }
}

const hasOurs = () => [app.graph, ...(app.graph.subgraphs?.values() ?? [])].some((graph) => graph.nodes.some(ours))

// A page loaded anew has lost what was shown; the server knows it by the workflow's id.
const recalled = new Set()

async function recall(id) {
  if (recalled.has(id) || !hasOurs()) return
  recalled.add(id)
  const found = await ask(`shown?workflow=${id}`).catch(() => ({}))
  for (const [node, output] of Object.entries(found)) show(nodeOf(node), output)
}

// The server calls it success where a part of a graph was queued: what was left out is said.
async function tellWhatIsLeftOut() {
  const wrong = Object.entries(app.lastNodeErrors ?? {}).filter(([, one]) => one.errors?.length)
  if (!wrong.length || !hasOurs()) return
  await loadWords()
  const why = (one) => (one.type === 'required_input_missing' ? t('not_linked', { input: one.details }) : one.details || one.message)
  const said = wrong.slice(0, 3).map(([id, one]) => `${nodeOf(id)?.title ?? one.class_type}: ${why(one.errors[0])}`)
  toast('warn', `${said.join('\n')}\n${t('left_out_why')}`, { summary: t('left_out'), life: 15000 })
}

function openTab() {
  if (app.extensionManager.sidebarTab?.activeSidebarTabId !== TAB) app.extensionManager.command.execute(`Workspace.ToggleSidebarTab.${TAB}`)
}

// %KSampler.seed% in a file's name is filled in as the prompt is sent: another seed runs the node again. The server
// fills in the rest.
function fillWidgetTokens(node) {
  const widget = widgetOf(node, 'filename_prefix')
  const fill = window.comfyAPI?.utils?.applyTextReplacements
  if (!widget || !fill) return
  widget.serializeValue = () =>
    String(widget.value).replace(/%[^%]+%/g, (token) => (/^%date:|^[^.]*$/.test(token) ? token : fill(app, token)))
}

// commands keep the names that they begin with
const [settings] = await Promise.all([data('settings'), loadWords()])
app.registerExtension({
  name: 'vramwise',
  settings,
  commands: [
    { id: 'Vramwise.EvictAll', label: t('evict_command'), icon: 'pi pi-eject', function: evictAll },
    { id: 'Vramwise.OpenAdvisor', label: t('open_command'), icon: 'pi pi-microchip', function: openTab }
  ],
  menuCommands: [{ path: ['Extensions', 'VRAMwise'], commands: ['Vramwise.EvictAll', 'Vramwise.OpenAdvisor'] }],

  addCustomNodeDefs: (defs) => nameAll(defs, settings),

  setup() {
    document.head.append(make('link', { rel: 'stylesheet', href: new URL('./vramwise.css', import.meta.url).href }))
    api.addEventListener('progress_text', running)
    api.addEventListener('execution_error', refused)
    api.addEventListener('promptQueued', tellWhatIsLeftOut)
    let shown = null // with what stops it
    const destroy = () => {
      shown?.then((stop) => stop())
      shown = null
    }
    const render = (root) => {
      destroy()
      shown = sidebar(root, () => app.graph, () => render(root))
    }
    app.extensionManager.registerSidebarTab({
      id: TAB,
      icon: 'pi pi-microchip',
      title: 'VRAMwise',
      tooltip: 'VRAMwise',
      type: 'custom',
      render,
      destroy
    })
  },

  nodeCreated(node) {
    if (ours(node)) {
      nameSlots(node)
      holdValues(node)
    }
    if (node.comfyClass === 'VramwiseSaveText') fillWidgetTokens(node)
    if (!PANELS[node.comfyClass]) return
    // what is shown gets the room that is left, not a question
    for (const { element, options } of node.widgets) if (element?.matches('textarea')) options.getMaxHeight = () => 64
    fresh.add(node)
    precede(node, 'onConfigure', () => fresh.delete(node))
    // Nodes 2.0 may overlook a widget that comes later
    if (inVue()) panelOf(node)
    soon(node)
    precede(node, 'onExecuted', (output) => show(node, output))
  },

  afterConfigureGraph() {
    recall(app.graph.id) // nobody waits for it
  },

  // of an earlier run, or another tab's workflow
  onNodeOutputsUpdated(outputs) {
    for (const [key, output] of Object.entries(outputs ?? {})) show(nodeOfOutput(key), output)
  }
})
