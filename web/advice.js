// What fits: a sentence a task, then a row a model with its best precision, all else folded under it.
import { button, div, list, make, note, put, status, strong, table } from './dom.js'
import { linked, widgetOf } from './graph.js'
import { badge } from './loader.js'
import { size, spoke, t } from './words.js'

const RUNS = ['fits', 'tight', 'reduced', 'streams']
const SIZES = ['resident_bytes', 'optimal_bytes', 'floor_bytes']
const MOST = 60

export const sentences = (summary) =>
  make('ul', { class: 'vw-lines vw-picks' }, (spoke(summary)?.lines ?? []).map((line) => make('li', { 'data-task': line.task }, line.text)))

// What of a person's own rows is not used.
export function unused([one]) {
  const faults = spoke(one.summary)?.own_rows ?? one.own_rows
  return faults?.length > 0 && make('details', null, make('summary', null, t('own_rows', { count: faults.length })), list('vw-findings', faults))
}

export function adviceList(use) {
  const said = status()
  const count = make('p', { class: 'vw-note', 'aria-live': 'polite' })
  const first = div()
  const holder = make('div', { class: 'vw-scroll', tabindex: 0, role: 'region', 'aria-label': t('advice_table') })
  const word = make('input', { type: 'search', 'aria-label': t('filter_name'), placeholder: t('filter_name'), oninput: redraw })
  const task = make('select', { 'aria-label': t('filter_task'), onchange: redraw })
  const running = check('filter_runs', true)
  const here = check('filter_installed', false)
  const element = div('', first, div('vw-row vw-filters', task, word, running.label, here.label), count, said, holder)
  const unfolded = new Set()
  let groups = []

  function check(key, on) {
    const box = make('input', { type: 'checkbox', onchange: redraw, checked: on })
    return { box, label: make('label', null, box, t(key)) }
  }

  // `answers`: of each memory size of a card its models as the advisor ranks them, and a summary
  function show(answers, alone) {
    groups = answers.flatMap(grouped)
    put(first, !alone && answers.flatMap((one) => [answers.length > 1 && make('h4', null, one.gpu), sentences(one.summary)]), !alone && unused(answers))
    const tasks = [...new Set(groups.map((one) => one.best.task))]
    const before = task.value
    put(task, make('option', { value: '' }, t('task_all')), tasks.map((one) => make('option', { value: one }, t(`task_${one}`))))
    task.hidden = tasks.length < 2
    if (tasks.includes(before)) task.value = before
    redraw()
  }

  function redraw() {
    const parts = word.value.toLowerCase().split(/\s+/)
    const found = groups.filter(
      ({ best, rows }) =>
        (!task.value || best.task === task.value) &&
        parts.every((part) => `${best.name} ${best.model} ${rows.map((one) => one.precision)}`.toLowerCase().includes(part)) &&
        (!running.box.checked || RUNS.includes(best.verdict)) &&
        (!here.box.checked || rows.some((one) => one.installed))
    )
    const shown = found.slice(0, MOST)
    put(holder, make('ul', { class: 'vw-offers' }, shown.flatMap((one, at) => [
      !task.hidden && !task.value && one.best.task !== shown[at - 1]?.best.task && make('li', { class: 'vw-of' }, t(`task_${one.best.task}`)),
      offer(one)
    ])))
    count.textContent = t('rows', { shown: shown.length, all: groups.length })
  }

  const named = (one) => (one.yours ? t('name_yours', { name: one.name }) : one.name)
  const precise = (one) => one.precision.replace('as saved', t)

  function taking(one) {
    const label = t('use_label', { model: one.name, precision: one.precision })
    return use && one.task === 'OCR' && RUNS.includes(one.verdict) && button(t('use'), () => (said.textContent = use(one)), { 'aria-label': label })
  }

  function offer({ best, rows, reason }) {
    const more = make('details', { open: unfolded.has(best.model), ontoggle: () => {
      unfolded[more.open ? 'add' : 'delete'](best.model)
      if (more.open && !more.children[1]) more.append(details(rows))
    } }, make('summary', null, t('details', { count: rows.length })))
    const head = [badge(best.verdict), strong(named(best)), make('span', null, best.precision !== 'auto' && precise(best)), best.installed && make('span', { class: 'vw-note' }, t('installed')), taking(best)]
    return make('li', { 'data-model': best.model }, div('vw-offer', ...head), note(reason), more)
  }

  function details(rows) {
    const heads = ['precision', 'verdict', ...SIZES].map((key) => make('th', { scope: 'col', title: t(`about_${key}`) }, t(`column_${key}`)))
    const row = (one) => [
      make('th', { scope: 'row' }, precise(one)),
      make('td', null, badge(one.verdict)),
      SIZES.map((key) => make('td', { class: 'vw-number' }, size(one[key]))),
      make('td', null, taking(one))
    ]
    return div(
      '',
      table({ class: 'vw-table' }, [heads, make('td')], rows.map((one) => make('tr', { title: one.reason }, row(one)))),
      make('p', null, `${t('column_licence')}: ${rows[0].licence}`),
      [...new Set(rows.flatMap((one) => one.notes ?? []))].map((one) => note(one))
    )
  }

  return { element, show }
}

// Rows come in English, with their words in all languages beside the summary.
function grouped({ models, summary }) {
  const { rows: told, words } = spoke(summary) ?? {}
  const say = (text) => words?.[text] ?? text
  const found = new Map()
  for (const one of models) {
    const key = `${one.task} ${one.model}`
    const row = { ...one, name: say(one.name), licence: say(one.licence), reason: say(one.reason), notes: one.notes?.map(say) }
    found.set(key, [...(found.get(key) ?? []), row])
  }
  return [...found].map(([key, rows]) => {
    const row = told?.find((one) => `${one.task} ${one.model}` === key)
    const best = rows.find((one) => one.precision === row?.precision) ?? rows.find((one) => RUNS.includes(one.verdict)) ?? rows[0]
    return { best, rows, reason: row?.reason ?? best.reason }
  })
}

// Put a model and a precision into the loader that `from` is linked to, else into the graph's only one.
export function useInLoader(graph, from) {
  return (one) => {
    const kind = (node) => node?.comfyClass === 'VramwiseOCRModelLoader'
    const fed = (from?.outputs ?? []).flatMap((slot) => linked(from, slot)).filter(kind)
    const all = graph.nodes.filter(kind)
    const targets = fed.length ? [...new Set(fed)] : all.length === 1 ? all : []
    if (!targets.length) return t(all.length ? 'use_which' : 'use_nobody')
    for (const loader of targets) for (const name of ['model', 'precision']) set(loader, name, one[name])
    graph.setDirtyCanvas(true, true)
    return t('use_done', { model: one.name, precision: one.precision, loader: targets[0].title })
  }
}

// A link into the widget would win over its value, so it goes.
function set(loader, name, value) {
  const slot = loader.inputs?.findIndex((input) => input.widget?.name === name) ?? -1
  if (slot >= 0 && loader.inputs[slot].link !== null) loader.disconnectInput(slot)
  const widget = widgetOf(loader, name)
  widget.value = value
  widget.callback?.(value)
}
