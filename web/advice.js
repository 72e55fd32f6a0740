// The table of models that fit: sorted by any column, filtered, and one put into the loader.
import { button, make, status } from './dom.js'
import { badge } from './loader.js'
import { size, t } from './words.js'

const COLUMNS = ['name', 'precision', 'verdict', 'resident_bytes', 'optimal_bytes', 'floor_bytes', 'licence', 'installed']
const ORDER = ['fits', 'tight', 'reduced', 'streams', 'no', 'unavailable', 'unknown']
const SIZES = new Set(['resident_bytes', 'optimal_bytes', 'floor_bytes'])
const MOST = 120

export function adviceTable(use) {
  const element = make('div', { class: 'vw-advice' })
  const said = status()
  const count = make('p', { class: 'vw-note', 'aria-live': 'polite' })
  const holder = make('div', { class: 'vw-scroll', tabindex: 0, role: 'region', 'aria-label': t('advice_table') })
  const word = make('input', { type: 'search', 'aria-label': t('filter_name'), placeholder: t('filter_name'), oninput: redraw })
  const task = make('select', { 'aria-label': t('filter_task'), onchange: redraw })
  const running = check('filter_runs', true)
  const here = check('filter_installed', false)
  let models = []
  let sorted = { key: null, down: false }

  element.append(make('div', { class: 'vw-row vw-filters' }, task, word, running.label, here.label), count, holder, said)

  function check(key, on) {
    const box = make('input', { type: 'checkbox', onchange: redraw, checked: on })
    return { box, label: make('label', null, box, t(key)) }
  }

  function show(found) {
    models = found
    const tasks = [...new Set(models.map((one) => one.task))]
    const before = task.value
    task.replaceChildren(make('option', { value: '' }, t('task_all')), ...tasks.map((one) => make('option', { value: one }, t(`task_${one}`))))
    if (tasks.includes(before)) task.value = before
    redraw()
  }

  function value(one, key) {
    if (key === 'verdict') return ORDER.indexOf(one.verdict)
    if (SIZES.has(key)) return one[key] ?? Infinity
    if (key === 'installed') return one.installed ? 0 : 1
    return String(one[key]).toLowerCase()
  }

  function wanted() {
    const parts = word.value.toLowerCase().split(/\s+/)
    const found = models.filter(
      (one) =>
        (!task.value || one.task === task.value) &&
        parts.every((part) => `${one.name} ${one.model} ${one.precision}`.toLowerCase().includes(part)) &&
        (!running.box.checked || ORDER.indexOf(one.verdict) < 4) &&
        (!here.box.checked || one.installed)
    )
    if (sorted.key === null) return found // as the advisor ranks them
    const sign = sorted.down ? -1 : 1
    return found.sort((a, b) => {
      const [x, y] = [value(a, sorted.key), value(b, sorted.key)]
      return sign * (x < y ? -1 : x > y ? 1 : 0)
    })
  }

  function heading(key) {
    const active = sorted.key === key
    const sort = () => {
      sorted = { key, down: active && !sorted.down }
      redraw()
      holder.querySelector(`[data-sort="${key}"]`)?.focus()
    }
    const direction = active ? (sorted.down ? 'descending' : 'ascending') : 'none'
    return make('th', { scope: 'col', 'aria-sort': direction }, button(t(`column_${key}`), sort, { 'data-sort': key, title: t(`about_${key}`) }))
  }

  function cell(one, key) {
    if (key === 'verdict') return make('td', { title: one.reason }, badge(one.verdict))
    if (SIZES.has(key)) return make('td', { class: 'vw-number' }, size(one[key]))
    if (key === 'installed') return make('td', null, one.installed ? t('yes') : '')
    if (key === 'name') return make('th', { scope: 'row', title: one.reason }, one.yours ? t('name_yours', { name: one.name }) : one.name)
    return make('td', { title: one[key] }, one[key])
  }

  function row(one) {
    const label = t('use_label', { model: one.name, precision: one.precision })
    const usable = one.task === 'OCR' && ORDER.indexOf(one.verdict) < 4
    const take = () => (said.textContent = use(one))
    return make('tr', { 'data-model': one.model }, COLUMNS.map((key) => cell(one, key)), make('td', null, usable && use && button(t('use'), take, { 'aria-label': label })))
  }

  function redraw() {
    const found = wanted()
    const head = make('thead', null, make('tr', null, COLUMNS.map(heading), make('th', { scope: 'col' }, make('span', { class: 'vw-hidden' }, t('use')))))
    holder.replaceChildren(make('table', { class: 'vw-table' }, head, make('tbody', null, found.slice(0, MOST).map(row))))
    count.textContent = t('rows', { shown: Math.min(MOST, found.length), all: models.length })
  }

  return { element, show }
}

// Put a model and a precision into the loader that `from` is linked to, else into the graph's only one.
export function useInLoader(graph, from) {
  return (one) => {
    const kind = (node) => node?.comfyClass === 'VramwiseOCRModelLoader'
    const links = (from?.outputs ?? []).flatMap((slot) => slot.links ?? [])
    const linked = links.map((id) => graph.getNodeById(graph.getLink(id)?.target_id)).filter(kind)
    const all = graph.nodes.filter(kind)
    const targets = linked.length ? [...new Set(linked)] : all.length === 1 ? all : []
    if (!targets.length) return t(all.length ? 'use_which' : 'use_nobody')
    const values = { model: one.model, precision: one.precision }
    for (const loader of targets) for (const [name, value] of Object.entries(values)) set(loader, name, value)
    graph.setDirtyCanvas(true, true)
    return t('use_done', { model: one.name, precision: one.precision, loader: targets[0].title })
  }
}

// A link into the widget would win over its value, so it goes.
function set(loader, name, value) {
  const slot = loader.inputs?.findIndex((input) => input.widget?.name === name) ?? -1
  if (slot >= 0 && loader.inputs[slot].link !== null) loader.disconnectInput(slot)
  const widget = loader.widgets.find((one) => one.name === name)
  widget.value = value
  widget.callback?.(value)
}
